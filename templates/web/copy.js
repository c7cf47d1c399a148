// Copies a snippet at one press.
"use strict";
for (const button of document.querySelectorAll("button[data-copies]")) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    const code = document.getElementById(button.dataset.copies);
    code.select();
    await navigator.clipboard.writeText(code.value);
    button.nextElementSibling.textContent = button.dataset.copied;
  });
}
