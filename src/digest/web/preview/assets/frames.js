// The mail in its frame, from outside: keys, links, where an element comes from, how wide the frame is.

import { go } from "/assets/workshop.js";
import { listen } from "/assets/keys.js";

let inspecting = false;
let chosen = null;

export function watchFrame(frame, { scrollTo } = {}) {
  const attach = () => {
    const inner = frame.contentDocument;
    if (!inner || inner.location.href === "about:blank") return;
    listen(inner);
    inner.addEventListener("mousemove", (event) => inspecting && spot(frame, stamped(event.target)));
    inner.addEventListener("mouseleave", () => inspecting && forget(frame));
    inner.addEventListener("click", (event) => pick(event, frame), true);
    inner.addEventListener("scroll", () => { forget(frame); together(frame); }, { passive: true });
    if (scrollTo) frame.contentWindow.scrollTo(0, scrollTo);
  };
  frame.addEventListener("load", attach);
  if (frame.contentDocument?.readyState === "complete") attach();
}

export function inspect(on) {
  inspecting = on;
  document.body.classList.toggle("inspecting", on);
  if (!on) document.querySelectorAll(".spot").forEach((one) => one.remove());
}

export function forget(frame) {
  frame.parentElement?.querySelectorAll(".spot").forEach((one) => one.remove());
}

const stamped = (element) => element?.closest?.("[data-src]");

/** The line of the template that is chosen now: what the editor opens. */
export const selected = () => chosen ?? new URLSearchParams(location.search).get("at");

function pick(event, frame) {
  if (!inspecting) return;
  event.preventDefault();
  event.stopPropagation();
  const element = stamped(event.target);
  if (!element) return;
  chosen = element.dataset.src;
  const url = new URL(location.href);
  url.searchParams.set("at", chosen);
  url.searchParams.set("p", "source");
  spot(frame, element);
  go(url.pathname + url.search, { replace: true });
}

/** Draw the outline over the frame, never in it. */
export function spot(frame, element) {
  forget(frame);
  if (!element) return;
  const box = element.getBoundingClientRect();
  const mark = document.createElement("div");
  mark.className = `spot${box.top < 26 ? (box.bottom > frame.clientHeight - 26 ? " inside" : " below") : ""}`;
  Object.assign(mark.style, { left: `${box.left}px`, top: `${box.top}px`, width: `${box.width}px`, height: `${box.height}px` });
  const label = document.createElement("span");
  label.textContent = `${element.localName}${element.classList[0] ? `.${element.classList[0]}` : ""} · ${(element.dataset.src ?? "").replace(/^email\//, "")}`;
  mark.append(label);
  frame.parentElement.append(mark);
}

/** Show what a finding is about in every frame. */
export function follow(link) {
  const finding = link.closest("[data-selector]");
  chosen = null;
  if (finding) showFinding(finding);
}

export function showFinding(finding) {
  document.querySelectorAll(".finding.current").forEach((one) => one.classList.remove("current"));
  finding.classList.add("current");
  finding.scrollIntoView({ block: "nearest" });
  if (!finding.dataset.selector) return;
  document.querySelectorAll("#frames iframe:not(.arriving)").forEach((frame) => {
    let found = null;
    try {
      found = frame.contentDocument?.querySelector(finding.dataset.selector);
    } catch {
      return; // a selector of a client's own syntax
    }
    if (!found) return;
    found.scrollIntoView({ block: "center" });
    requestAnimationFrame(() => requestAnimationFrame(() => spot(frame, found)));
  });
}

let leading = null;
let release = 0;

/** Frames beside each other are at the same part of the mail. */
function together(frame) {
  if (leading && leading !== frame) return;
  leading = frame;
  clearTimeout(release);
  release = setTimeout(() => (leading = null), 120);
  const from = frame.contentDocument.documentElement;
  const share = from.scrollTop / Math.max(1, from.scrollHeight - from.clientHeight);
  document.querySelectorAll("#frames iframe:not(.arriving), #pair iframe:not(.arriving)").forEach((other) => {
    if (other === frame) return;
    const to = other.contentDocument?.documentElement;
    if (to) to.scrollTop = share * (to.scrollHeight - to.clientHeight);
  });
}

/** Frames that do not fit beside each other are shown smaller; their own width in pixels stays. */
export function fit() {
  const row = document.querySelector("#frames, #pair");
  if (!row) return;
  row.style.removeProperty("--fit");
  const papers = [...row.querySelectorAll("figure.paper")].filter((one) => getComputedStyle(one).position !== "absolute");
  if (papers.length < 2) return;
  const style = getComputedStyle(row);
  const gaps = parseFloat(style.columnGap) * (papers.length - 1) + parseFloat(style.paddingLeft) + parseFloat(style.paddingRight);
  const wanted = papers.reduce((sum, one) => sum + one.offsetWidth, 0);
  const share = (row.clientWidth - gaps) / wanted;
  if (share < 1) row.style.setProperty("--fit", Math.max(0.3, share).toFixed(3));
}
new ResizeObserver(fit).observe(document.body);

// How wide the rails are: dragged or moved by the arrow keys, and remembered on this machine.
const RAILS = { rail: [140, 420, 1], inspector: [240, 800, -1] };

function setRail(name, width) {
  const [least, most] = RAILS[name];
  document.body.style.setProperty(`--${name}-width`, `${Math.min(most, Math.max(least, width))}px`);
  fit();
}

function keepRail(name) {
  try {
    localStorage.setItem(`digest.${name}`, document.getElementById(name).offsetWidth);
  } catch {
    // storage is off: the width lasts as long as the page
  }
}

export function rails() {
  for (const name of Object.keys(RAILS)) {
    let kept = null;
    try {
      kept = Number(localStorage.getItem(`digest.${name}`));
    } catch {
      kept = null;
    }
    if (kept) setRail(name, kept);
  }
}

document.addEventListener("pointerdown", (event) => {
  const handle = event.target.closest?.(".resize");
  if (!handle) return;
  event.preventDefault();
  const name = handle.dataset.rail;
  const [from, width] = [event.clientX, document.getElementById(name).offsetWidth];
  document.body.classList.add("dragging");
  const move = (moved) => setRail(name, width + (moved.clientX - from) * RAILS[name][2]);
  addEventListener("pointermove", move);
  addEventListener("pointerup", () => {
    removeEventListener("pointermove", move);
    document.body.classList.remove("dragging");
    keepRail(name);
  }, { once: true });
});
document.addEventListener("keydown", (event) => {
  const handle = event.target.closest?.(".resize");
  const step = { ArrowLeft: -20, ArrowRight: 20 }[event.key];
  if (!handle || !step) return;
  event.preventDefault();
  setRail(handle.dataset.rail, document.getElementById(handle.dataset.rail).offsetWidth + step * RAILS[handle.dataset.rail][2]);
  keepRail(handle.dataset.rail);
});

// The edge of a frame: dragging it, or the arrow keys on it, changes the width and the address.
const within = (width) => Math.min(1600, Math.max(240, Math.round(width)));

function resize(edge, width, { keep }) {
  const frame = edge.parentElement.querySelector("iframe");
  frame.width = within(width);
  edge.setAttribute("aria-valuenow", frame.width);
  edge.parentElement.querySelector("figcaption").firstChild.textContent = `${frame.width} · `;
  if (!keep) return;
  const url = new URL(location.href);
  const figures = [...document.querySelectorAll("#frames figure[data-width]")];
  const schemes = url.searchParams.get("s") === "both" ? 2 : 1;
  const widths = figures.map((one) => one.querySelector("iframe").width).filter((_, at) => at % schemes === 0);
  if (schemes === 2) widths[Math.floor(figures.indexOf(edge.parentElement) / 2)] = frame.width;
  url.searchParams.set("w", widths.join(","));
  go(url.pathname + url.search, { replace: true });
}

document.addEventListener("pointerdown", (event) => {
  const edge = event.target.closest?.(".edge");
  if (!edge) return;
  event.preventDefault();
  const [from, width] = [event.clientX, Number(edge.parentElement.querySelector("iframe").width)];
  document.body.classList.add("dragging");
  const move = (moved) => resize(edge, width + (moved.clientX - from) * 2, { keep: false });
  addEventListener("pointermove", move);
  addEventListener("pointerup", (up) => {
    removeEventListener("pointermove", move);
    document.body.classList.remove("dragging");
    resize(edge, width + (up.clientX - from) * 2, { keep: true });
  }, { once: true });
});
document.addEventListener("keydown", (event) => {
  const edge = event.target.closest?.(".edge");
  const step = { ArrowLeft: -10, ArrowRight: 10 }[event.key];
  if (!edge || !step) return;
  event.preventDefault();
  resize(edge, Number(edge.getAttribute("aria-valuenow")) + step, { keep: true });
});
