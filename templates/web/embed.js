// For sites that embed the sign-up box: fits our frames to their content, and saves readers of our plain forms one press
// by asking for the token that the form has to carry. Reads nothing else of the page, and stores nothing.
(() => {
  "use strict";
  const home = new URL(document.currentScript.src).origin;

  window.addEventListener("message", (event) => {
    const said = event.data;
    if (event.origin !== home || !said || said.digest !== "height" || !(said.height > 0)) return;
    for (const frame of document.querySelectorAll("iframe")) {
      if (frame.contentWindow === event.source) frame.style.height = `${Math.min(Math.ceil(said.height), 3000)}px`;
    }
  });

  const prepare = async (form) => {
    const answer = await fetch(`${form.action}/form-token`, { credentials: "omit", referrerPolicy: "no-referrer" });
    if (answer.ok) form.elements.form_token.value = (await answer.json()).form_token;
  };
  const look = () => {
    for (const frame of document.querySelectorAll("iframe")) {
      if (frame.src.startsWith(`${home}/`)) frame.contentWindow.postMessage({ digest: "measure" }, "*");
    }
    for (const form of document.forms) {
      if (form.action.startsWith(`${home}/`) && form.elements.form_token && !form.elements.form_token.value) {
        form.addEventListener("focusin", () => prepare(form), { once: true });
      }
    }
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", look);
  else look();
})();
