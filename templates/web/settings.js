// Says at once what the choices come to, before they are saved; the page says the same when it is loaded again.
"use strict";
for (const part of document.querySelectorAll("[data-says]")) {
  const says = part.querySelector(".says");
  const words = JSON.parse(part.dataset.says);
  const form = part.closest("form");
  const value = (name) => {
    const field = form.elements[`${part.dataset.slug}.${name}`];
    if (!field) return "";
    if (field.type === "checkbox") return field.checked ? "1" : "";
    return field.value || "";
  };
  const say = () => {
    const cadence = value("cadence");
    const lines = [];
    if (cadence === "pause") {
      lines.push(words.pause.replace("{day}", value("pause") || "…"));
    } else {
      const zone = form.elements.timezone.selectedOptions[0].textContent;
      const chosen = value("deliver_at");
      const own = words.often[cadence] || Object.values(words.often)[0];
      if (value("digest") && own) {
        lines.push(own.says.replace("{time}", chosen || own.time).replace("{zone}", chosen ? zone : own.zone));
      }
      if (value("alerts")) lines.push(words.alerts);
      if (!lines.length) lines.push(words.nothing);
    }
    says.textContent = lines.join(" ");
  };
  form.addEventListener("change", say);
}
