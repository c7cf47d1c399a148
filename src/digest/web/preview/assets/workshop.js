// The workshop under the hands: every state is a page of the server's; this moves its parts in without a flash.
// The page works without this file. Nothing here runs inside a mail: frames are read and listened to from outside.

import { forward, onKey } from "/assets/keys.js";
import { fit, follow, forget, inspect, rails, watchFrame } from "/assets/frames.js";
import { difference, swipe } from "/assets/difference.js";
import { openPalette } from "/assets/palette.js";

const root = document.documentElement;
const part = (id, from = document) => from.getElementById(id);
let asked = 0;
let underWay = 0;
let isStale = false;
let lately = { generation: "", says: "" };
let pushed = location.pathname + location.search;

root.classList.add("js");

/**
 * Fetch a state's page and move its parts into this one; a slower, older answer is dropped. What somebody asked for goes
 * before what a save asks for (`quietly`), which is asked for again afterwards.
 */
export async function show(url, { body, quietly = false } = {}) {
  if (quietly && underWay) {
    isStale = true;
    return;
  }
  const mine = ++asked;
  let answer;
  let text;
  if (!quietly) underWay += 1;
  try {
    answer = await fetch(url, body ? { method: "POST", body } : {});
    text = await answer.text(); // until it is here, a save in between must not take its turn
  } catch {
    return say("away", "the preview server is not answering");
  } finally {
    if (!quietly) underWay -= 1;
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  if (mine !== asked) return;
  if (!page.getElementById("stage")) return say("away", `refused: ${page.body.textContent.trim().slice(0, 80)}`);
  if (body || answer.redirected) history.replaceState(null, "", (pushed = page.body.dataset.address));
  document.title = page.title;
  document.body.className = page.body.className;
  document.body.dataset.generation = page.body.dataset.generation;
  if (quietly) page.getElementById("notes").append(...document.querySelectorAll("#notes .told"));
  for (const id of ["bar", "rail", "inspector"]) take(part(id), part(id, page));
  moveStage(part("stage", page));
  if (quietly && lately.generation === document.body.dataset.generation) say("live", lately.says);
  if (!quietly || part("fault")) part("aloud").textContent = part("aloud", page).textContent;
  settle();
  compared();
  if (!isStale || underWay) return;
  isStale = false;
  await show(location.pathname + location.search, { quietly: true });
}

/** Replace a region and keep where its reader was: scroll, focus, and which groups are open. */
function take(before, after) {
  const held = before.contains(document.activeElement) ? signature(document.activeElement) : null;
  const inner = (of) => [of, ...of.querySelectorAll(".listing, pre")];
  const scrolled = inner(before).map((one) => one.scrollTop);
  const typed = before.querySelector("textarea:focus, input:focus");
  if (typed && before.id === "inspector") return; // somebody is typing here: a save elsewhere must not take it away
  before.className = after.className;
  before.replaceChildren(...after.childNodes); // the region itself stays: it may be the target of the address
  inner(before).forEach((one, at) => (one.scrollTop = scrolled[at] ?? 0));
  if (held) document.querySelector(held)?.focus({ preventScroll: true });
  before.querySelector("#here")?.scrollIntoView({ block: "center" });
}

function signature(element) {
  if (element.id) return `#${CSS.escape(element.id)}`;
  if (element.dataset.key) return `[data-key="${CSS.escape(element.dataset.key)}"]`;
  if (element.name) return `${element.tagName}[name="${CSS.escape(element.name)}"]`;
  return element.getAttribute("href") ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : null;
}

/** Frames that show the same thing are swapped by their successor behind them; anything else is put in place. */
function moveStage(stage) {
  const before = part("stage");
  const old = [...before.querySelectorAll("iframe:not(.arriving)")];
  const next = [...stage.querySelectorAll("iframe")];
  const sameShape = before.className === stage.className && old.length === next.length && old.length > 0;
  const sameWay = part("compare")?.className === stage.querySelector("#compare")?.className;
  if (!sameShape || !sameWay || stage.classList.contains("view-matrix")) {
    const tops = old.map((frame) => frame.contentWindow?.scrollY ?? 0);
    before.replaceWith(stage);
    next.forEach((frame, at) => watchFrame(frame, { scrollTo: tops[at] ?? tops[0] ?? 0 }));
    return;
  }
  for (const id of ["notes", "inbox", "fault", "changes"]) exchange(id, before, stage);
  for (const query of [".controls", ".same"]) {
    const [is, will] = [before.querySelector(query), stage.querySelector(query)];
    if (is && will) is.replaceWith(will);
    else if (is) is.remove();
  }
  old.forEach((frame, at) => {
    const paper = frame.closest("figure");
    const fresh = next[at].closest("figure");
    if (paper && fresh) {
      paper.className = fresh.className;
      paper.dataset.width = fresh.dataset.width;
      paper.querySelector("figcaption").replaceWith(fresh.querySelector("figcaption"));
      paper.querySelector(".edge")?.setAttribute("aria-valuenow", fresh.dataset.width);
    }
    const coming = frame.nextElementSibling?.classList.contains("arriving") ? frame.nextElementSibling : frame;
    if (coming.dataset.base !== next[at].dataset.base || coming.width !== next[at].width) swap(frame, next[at]);
    else if (coming.dataset.g !== next[at].dataset.g && !part("fault")) swap(frame, next[at]);
  });
}

function exchange(id, before, stage) {
  const [is, will] = [before.querySelector(`#${id}`), stage.querySelector(`#${id}`)];
  if (is && will) is.replaceWith(will);
  else if (is) is.remove();
  else if (will && id === "inbox") before.querySelector("#frames").before(will);
  else if (will) before.append(will);
}

/** Load the new frame behind the old one, scroll it to the same place, then let it take over. */
function swap(old, next, then) {
  const g = next.dataset.g;
  if (old.nextElementSibling?.classList.contains("arriving")) old.nextElementSibling.remove();
  next.src = `${next.dataset.base}${next.dataset.base.includes("?") ? "&" : "?"}g=${g}`;
  next.classList.add("arriving");
  next.addEventListener("load", () => {
    if (!next.isConnected) return;
    const focused = document.activeElement === old;
    next.contentWindow.scrollTo(old.contentWindow?.scrollX ?? 0, old.contentWindow?.scrollY ?? 0);
    forget(old);
    next.classList.remove("arriving");
    old.remove();
    if (focused) next.focus();
    then?.();
    compared();
  }, { once: true });
  watchFrame(next);
  old.after(next);
}

/** A template was saved: the mail comes first, then what is said about it. */
async function renew({ generation, saved_at: savedAt }) {
  const shown = [...document.querySelectorAll("#frames iframe:not(.arriving), #pair iframe:not(.arriving)")];
  const swapped = shown.map((frame) => new Promise((done) => {
    const next = frame.cloneNode();
    next.dataset.g = generation;
    swap(frame, next, () => {
      const took = Date.now() - savedAt;
      lately = { generation: String(generation), says: took < 5000 ? `live ${took} ms` : "live" };
      if (!part("fault")) say("live", lately.says);
      done();
    });
  }));
  const patience = new Promise((done) => setTimeout(done, 300)); // a frame may be replaced before it has come
  await Promise.race([Promise.all(swapped), patience]);
  return show(location.pathname + location.search, { quietly: true });
}

export function go(url, { replace = false } = {}) {
  const target = new URL(url, location.href);
  if (target.origin !== location.origin) return undefined;
  // As the server writes addresses: what may stand in a query as it is, does.
  const address = target.pathname + target.search.replace(/%(2C|3A|2F|3F|3D)/gi, decodeURIComponent);
  if (replace || address === pushed) history.replaceState(null, "", address);
  else history.pushState(null, "", address);
  pushed = address;
  return show(address);
}

export function say(state, text) {
  const live = part("live");
  live.dataset.state = state;
  live.textContent = text;
}

function compared() {
  if (part("difference")) difference(document);
}

/** What a fresh page needs once: frames watched, sliders wired, the state's inspection on. */
function settle() {
  inspect(new URLSearchParams(location.search).get("i") === "1");
  fit();
  swipe(document);
}

function submit(form, submitter) {
  const data = new FormData(form, submitter);
  if (form.method === "post") return show(form.action, { body: new URLSearchParams(data) });
  const query = new URLSearchParams([...data].filter(([, value]) => value !== ""));
  return go(`${new URL(form.action).pathname}?${query}`, { replace: true });
}

document.addEventListener("click", (event) => {
  const link = event.target.closest("a[href]");
  if (event.target.closest("#open-palette")) return openPalette();
  if (event.target.closest("#copy-link")) return copyLink();
  if (!link || event.defaultPrevented || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return undefined;
  if (link.getAttribute("href").startsWith("#") || link.hasAttribute("download")) return undefined;
  event.preventDefault();
  return go(link.getAttribute("href")).then(() => follow(link));
});
document.addEventListener("submit", (event) => {
  event.preventDefault();
  submit(event.target, event.submitter);
});
document.addEventListener("change", (event) => {
  if (event.target.matches("select[data-auto]")) submit(event.target.form);
});
document.addEventListener("keydown", onKey);
addEventListener("popstate", () => {
  pushed = location.pathname + location.search;
  show(pushed);
});

export async function copyLink() {
  await navigator.clipboard?.writeText(location.href).catch(() => {});
  part("aloud").textContent = "Link copied";
  say("live", "link copied");
}

document.querySelectorAll("iframe").forEach((frame) => watchFrame(frame));
forward(onKey);
rails();
settle();
compared();
document.querySelector("#here")?.scrollIntoView({ block: "center" });

const events = new EventSource("/events");
let wasAway = false;
events.addEventListener("change", (event) => renew(JSON.parse(event.data)));
events.addEventListener("open", () => {
  if (wasAway) show(location.pathname + location.search); // what was saved while the server was away
  wasAway = false;
});
events.addEventListener("error", () => {
  wasAway = true;
  say("away", "the preview server is not answering");
});
addEventListener("difference", compared);

// The check marks of the other mails: asked for once, when there is nothing else to do.
requestIdleCallback?.(async () => {
  if (!document.querySelector("#rail .mark.unknown")) return;
  const answer = await fetch("/marks", { method: "GET" });
  if (!answer.ok) return;
  const page = new DOMParser().parseFromString(await (await fetch(location.pathname + location.search)).text(), "text/html");
  if (part("rail", page)) take(part("rail"), part("rail", page));
}, { timeout: 4000 });
