// A key for every control. Keys pressed inside a mail count, too: its document is listened to from here.

import { copyLink, go, say, show } from "/assets/workshop.js";
import { selected, showFinding } from "/assets/frames.js";
import { openPalette } from "/assets/palette.js";

let handler = () => {};
const heard = new WeakSet();

export function forward(onKeyDown) {
  handler = onKeyDown;
}

export function listen(inner) {
  if (heard.has(inner)) return;
  heard.add(inner);
  inner.addEventListener("keydown", (event) => handler(event));
}

function turn(key, order, fallback) {
  const url = new URL(location.href);
  const now = url.searchParams.get(key) ?? fallback;
  const next = order[(order.indexOf(now) + 1) % order.length];
  if (next === fallback) url.searchParams.delete(key);
  else url.searchParams.set(key, next);
  go(url.pathname + url.search);
}

function toggle(key, value) {
  const url = new URL(location.href);
  if (url.searchParams.get(key) === value) url.searchParams.delete(key);
  else url.searchParams.set(key, value);
  go(url.pathname + url.search);
}

/** A second press of a pane's key leads back to the checks. */
function pane(name) {
  const url = new URL(location.href);
  if ((url.searchParams.get("p") ?? "checks") === name) url.searchParams.delete("p");
  else url.searchParams.set("p", name);
  if (name === "checks") url.searchParams.delete("p");
  go(url.pathname + url.search);
}

function view(name) {
  const url = new URL(location.href);
  const now = url.searchParams.get("v") ?? "stage";
  if (now === name) url.searchParams.delete("v");
  else url.searchParams.set("v", name);
  if (name === "compare" && now !== name && !url.searchParams.get("vs")) url.searchParams.set("vs", "HEAD");
  go(url.pathname + url.search);
}

function step(select, by) {
  const menu = document.querySelector(`#bar select[name="${select}"]`);
  if (!menu) return;
  menu.selectedIndex = (menu.selectedIndex + by + menu.options.length) % menu.options.length;
  menu.form.requestSubmit();
}

function finding(by) {
  const all = [...document.querySelectorAll("#pane .finding")];
  if (!all.length) return say("live", "no finding here");
  const at = all.findIndex((one) => one.classList.contains("current"));
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length];
  next.closest("details")?.setAttribute("open", "");
  showFinding(next);
  document.getElementById("aloud").textContent = next.querySelector(".goes").textContent.trim();
  return undefined;
}

function edit() {
  const at = selected();
  const token = document.querySelector('input[name="token"]')?.value;
  const broken = document.querySelector("#fault form");
  if (broken && !at) return broken.requestSubmit();
  if (!at || !token) return say("live", "choose an element first: i, then click");
  const body = new URLSearchParams({ token, at, state: location.pathname + location.search });
  return show("/act/open", { body });
}

async function openPane(name, focus) {
  const url = new URL(location.href);
  url.searchParams.set("p", name);
  await go(url.pathname + url.search);
  document.querySelector(focus)?.focus();
}

const DOES = {
  d: () => turn("s", ["light", "dark", "forced", "both"], "light"),
  f: () => document.querySelector('#bar select[name="f"]')?.focus(),
  c: () => step("c", 1),
  j: () => step("kind", 1),
  k: () => step("kind", -1),
  i: () => toggle("i", "1"),
  e: edit,
  t: () => pane("text"),
  u: () => pane("source"),
  h: () => pane("headers"),
  l: () => pane("checks"),
  n: () => finding(1),
  p: () => finding(-1),
  m: () => view("matrix"),
  v: () => view("compare"),
  r: () => view("read"),
  s: () => openPane("data", "#fixture-name"),
  S: () => openPane("send", "#address"),
  y: copyLink,
  ".": () => toggle("bare", "1"),
  "/": openPalette,
  "?": () => document.getElementById("help").togglePopover(),
  Escape: leave,
};

function leave() {
  const url = new URL(location.href);
  for (const key of ["bare", "i", "at", "v"]) {
    if (!url.searchParams.has(key)) continue;
    url.searchParams.delete(key);
    return go(url.pathname + url.search);
  }
  return undefined;
}

export function onKey(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return openPalette();
  }
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  if (event.target.matches?.("input, textarea, select") || document.querySelector("dialog[open]")) {
    if (event.key === "Escape" && event.target.matches?.("input, textarea, select")) event.target.blur();
    return undefined;
  }
  if (event.key === "Escape" && document.querySelector("#help:popover-open")) return undefined;
  const does = DOES[event.key];
  if (does) {
    event.preventDefault();
    return does();
  }
  const link = document.querySelector(`#bar [data-key="${CSS.escape(event.key)}"]`);
  if (!link) return undefined;
  event.preventDefault();
  return link.click();
}
