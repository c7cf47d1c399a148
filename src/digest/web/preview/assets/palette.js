// Anything by its name: what the page links to, and what its keys do.

import { copyLink, go } from "/assets/workshop.js";

let found = [];
let at = 0;
const dialog = () => document.getElementById("palette");

function everything() {
  const links = [...document.querySelectorAll("#bar a[data-key], #bar .segments a, #rail a.pick[data-name], #inspector .tabs a")].map((link) => ({
    label: [link.dataset.name, link.title.replace(/ – key .*$/, "") || link.textContent.trim()].filter(Boolean).join(": "),
    key: link.dataset.key ?? "",
    run: () => go(link.getAttribute("href")),
  }));
  const options = ["c", "f", "vs"].flatMap((name) => [...document.querySelectorAll(`#bar select[name="${name}"] option, .controls select[name="${name}"] option`)].filter((one) => name !== "f" || /:/.test(one.value)).map((option) => ({
    label: `${option.closest("label").querySelector("span").textContent}: ${option.textContent}`,
    key: "",
    run: () => {
      const select = option.closest("select");
      select.value = option.value;
      select.form.requestSubmit();
    },
  })));
  return [...links, ...options, { label: "Copy the link to this state", key: "y", run: copyLink }, { label: "Keys", key: "?", run: () => document.getElementById("help").showPopover() }];
}

/** Every word must be in the label; a label that begins with the first is nearer. */
function search(words) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  const rank = ({ label }) => (wanted.length && label.toLowerCase().split(/[:\s]+/).some((one) => one.startsWith(wanted[0])) ? 0 : 1);
  return everything().filter(({ label }) => wanted.every((word) => label.toLowerCase().includes(word))).sort((a, b) => rank(a) - rank(b)).slice(0, 40);
}

function draw() {
  const list = document.getElementById("found");
  list.replaceChildren(...found.map((one, index) => {
    const item = document.createElement("li");
    item.id = `found-${index}`;
    item.setAttribute("role", "option");
    item.setAttribute("aria-selected", String(index === at));
    const [label, key] = [document.createElement("span"), document.createElement("span")];
    label.textContent = one.label;
    key.textContent = one.key;
    key.className = "quiet";
    item.append(label, key);
    item.addEventListener("click", () => choose(index));
    return item;
  }));
  const seek = document.getElementById("seek");
  if (found.length) seek.setAttribute("aria-activedescendant", `found-${at}`);
  else seek.removeAttribute("aria-activedescendant");
  list.children[at]?.scrollIntoView({ block: "nearest" });
}

function choose(index) {
  const one = found[index];
  dialog().close();
  one?.run();
}

export function openPalette() {
  const seek = document.getElementById("seek");
  seek.value = "";
  [found, at] = [search(""), 0];
  draw();
  dialog().showModal();
  seek.focus();
}

document.addEventListener("input", (event) => {
  if (event.target.id !== "seek") return;
  [found, at] = [search(event.target.value), 0];
  draw();
});
document.addEventListener("keydown", (event) => {
  if (event.target.id !== "seek") return;
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by && found.length) {
    event.preventDefault();
    at = (at + by + found.length) % found.length;
    draw();
  } else if (event.key === "Enter") {
    event.preventDefault();
    choose(at);
  }
});
