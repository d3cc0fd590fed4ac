// The form of Copy ISO: what the ticked zones take together.

import { bytes } from "./upload/words.js";

export function refreshCopyForms() {
  const form = document.getElementById("copy-form");
  if (form) refresh(form);
}

function refresh(form) {
  const count = form.querySelectorAll('[name="zones"]:checked:not(:disabled)').length;
  const needed = count * Number(form.dataset.bytes);
  const free = Number(form.dataset.free);
  const total = form.querySelector("[data-copy-total]");
  const zones = `${count} ${count === 1 ? "zone" : "zones"}`;
  total.textContent = count ? `${zones} · ${bytes(needed)} of ${bytes(free)} free` : "";
  total.classList.toggle("err", needed > free);
}

document.addEventListener("change", (event) => {
  if (event.target.closest?.("#copy-form")) refreshCopyForms();
});
