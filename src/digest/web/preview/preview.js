// Reload on save, keys, and frames that change without a flash. The page works without this file: it only
// fetches the page that a link or a save would load, and moves its parts in.

const part = (id, root = document) => root.getElementById(id);
let asked = 0;

/** Fetch `url` and move its parts into this page; a slower, older answer is dropped. */
async function show(url) {
  const mine = ++asked;
  const answer = await fetch(url);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (mine !== asked) return;
  document.title = page.title;
  part("bar").replaceWith(page.getElementById("bar"));
  part("inbox").replaceWith(page.getElementById("inbox"));
  moveStage(page.getElementById("stage"));
}

function moveStage(stage) {
  const before = part("stage");
  const oldFrame = before.querySelector("iframe:not(.arriving)");
  const newFrame = stage.querySelector("iframe");
  if (!oldFrame || !newFrame) {
    const top = before.className.split(" ")[0] === stage.className.split(" ")[0] ? before.scrollTop : 0;
    before.replaceWith(stage);
    stage.scrollTop = top;
    stage.querySelectorAll("iframe").forEach(listen);
    return;
  }
  const paper = part("paper");
  before.className = stage.className;
  paper.className = stage.querySelector("#paper").className;
  part("fault")?.remove();
  const fault = stage.querySelector("#fault");
  if (fault) before.append(fault);
  paper.querySelectorAll("iframe.arriving").forEach((frame) => frame.remove());
  if (oldFrame.getAttribute("src") !== newFrame.getAttribute("src")) swap(oldFrame, newFrame);
}

/** Load the new frame behind the old one, scroll it to the same place, then let it take over. */
function swap(oldFrame, newFrame) {
  newFrame.classList.add("arriving");
  newFrame.addEventListener("load", () => {
    if (!newFrame.isConnected) return;
    newFrame.contentWindow.scrollTo(0, oldFrame.contentWindow?.scrollY ?? 0);
    const focused = document.activeElement === oldFrame;
    newFrame.classList.remove("arriving");
    oldFrame.remove();
    if (focused) newFrame.focus();
  }, { once: true });
  listen(newFrame);
  oldFrame.after(newFrame);
}

function go(url) {
  history.replaceState(null, "", url);
  return show(url);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const link = document.querySelector(`[data-key="${CSS.escape(event.key)}"]`);
  if (!link) return;
  event.preventDefault();
  // A second press of a tab's key leads back to the mail.
  const back = link.getAttribute("aria-current") === "page" && event.key !== "m";
  (back ? document.querySelector('[data-key="m"]') : link).click();
}

/** Keys pressed inside a frame count, too. */
function listen(frame) {
  frame.addEventListener("load", () => frame.contentDocument?.addEventListener("keydown", onKey));
  frame.contentDocument?.addEventListener("keydown", onKey);
}

document.addEventListener("keydown", onKey);
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.pick");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0) return;
  event.preventDefault();
  const key = link.dataset.key;
  go(link.getAttribute("href")).then(() => {
    if (document.activeElement === document.body) document.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ focusVisible: false });
  });
});
document.querySelectorAll("iframe").forEach(listen);

const events = new EventSource("/events");
const say = (state, text) => {
  const live = part("live");
  live.dataset.state = state;
  if (text) live.textContent = text;
};
let wasAway = false;
events.addEventListener("change", () => show(location.href));
events.addEventListener("open", () => {
  if (wasAway) show(location.href); // what was saved while the server was away
  wasAway = false;
});
events.addEventListener("error", () => {
  wasAway = true;
  say("away", "the preview server is not answering");
});
