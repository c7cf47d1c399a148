// Two mails over each other: a slider between them, or the pixels that differ.
// A mail is drawn by the browser itself, as an image of its markup: nothing leaves the page and no script of it runs.

const TALLEST = 6000;

export function swipe(page) {
  const slider = page.getElementById("swipe");
  if (!slider) return;
  const pair = page.getElementById("pair");
  const [a, b] = [...pair.querySelectorAll("figure")];
  const move = () => pair.style.setProperty("--swept", `${100 - slider.value}%`);
  pair.style.setProperty("--lies", `${a.offsetLeft}px`);
  b.style.width = `${a.offsetWidth}px`;
  b.querySelector("iframe").style.width = "100%";
  slider.addEventListener("input", move);
  move();
}

async function inlined(copy) {
  await Promise.all([...copy.querySelectorAll("img[src]")].map(async (image) => {
    const url = new URL(image.getAttribute("src"), location.href);
    if (url.origin !== location.origin) return image.removeAttribute("src"); // asks nobody else
    const blob = await (await fetch(url)).blob();
    const data = await new Promise((done) => {
      const reader = new FileReader();
      reader.onload = () => done(reader.result);
      reader.readAsDataURL(blob);
    });
    return image.setAttribute("src", data);
  }));
  copy.querySelectorAll("base, script, link, meta").forEach((one) => one.remove());
  return copy;
}

async function pixels(frame, width, height) {
  const inner = frame.contentDocument;
  const copy = await inlined(inner.documentElement.cloneNode(true));
  const [head, body] = [copy.querySelector("head"), copy.querySelector("body")];
  const holder = inner.createElement("div");
  for (const name of body.getAttributeNames()) holder.setAttribute(name, body.getAttribute(name));
  holder.setAttribute("style", `${body.getAttribute("style") ?? ""};margin:0;background-color:${frame.contentWindow.getComputedStyle(inner.body).backgroundColor}`);
  holder.append(...head.querySelectorAll("style"), ...body.childNodes);
  const markup = new XMLSerializer().serializeToString(holder).replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, "");
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><foreignObject width="100%" height="100%">${markup}</foreignObject></svg>`;
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  await image.decode();
  const canvas = new OffscreenCanvas(width, height);
  const brush = canvas.getContext("2d", { willReadFrequently: true });
  brush.fillStyle = "#fff";
  brush.fillRect(0, 0, width, height);
  brush.drawImage(image, 0, 0);
  return brush.getImageData(0, 0, width, height);
}

let running = 0;

/** Draw what differs in red over a pale A, and say how much it is. */
export async function difference(page) {
  const mine = ++running;
  const frames = [...page.querySelectorAll("#pair figure[data-side] iframe:not(.arriving)")];
  const canvas = page.querySelector("#difference canvas");
  const told = page.getElementById("differs");
  if (frames.length !== 2 || frames.some((one) => one.contentDocument?.readyState !== "complete" || one.contentDocument.location.href === "about:blank")) {
    frames.forEach((one) => one.addEventListener("load", () => dispatchEvent(new Event("difference")), { once: true }));
    return;
  }
  const width = Math.max(...frames.map((one) => Number(one.width)));
  const height = Math.min(TALLEST, Math.max(...frames.map((one) => one.contentDocument.documentElement.scrollHeight)));
  let sides;
  try {
    sides = await Promise.all(frames.map((one) => pixels(one, width, height)));
  } catch (error) {
    told.textContent = `This browser cannot draw it: ${error.message || error.type || error}`;
    return;
  }
  if (mine !== running) return;
  const [a, b] = sides.map((one) => one.data);
  const drawn = new ImageData(width, height);
  let count = 0;
  for (let at = 0; at < a.length; at += 4) {
    const differs = Math.abs(a[at] - b[at]) + Math.abs(a[at + 1] - b[at + 1]) + Math.abs(a[at + 2] - b[at + 2]) > 30;
    count += differs ? 1 : 0;
    const pale = 205 + (a[at] * 3 + a[at + 1] * 6 + a[at + 2]) / 50;
    drawn.data.set(differs ? [200, 20, 20, 255] : [pale, pale, pale, 255], at);
  }
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").putImageData(drawn, 0, 0);
  const share = (100 * count) / (width * height);
  told.textContent = count ? `${count.toLocaleString("en")} pixels differ (${share < 0.01 ? "under 0.01" : share.toFixed(2)} %)` : "No pixel differs";
  canvas.setAttribute("aria-label", told.textContent);
}
