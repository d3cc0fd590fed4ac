// The form of Copy ISO: what the ticked zones take together.

import { bytes } from "./upload/words.js";

export function refreshCopyForms() {
  const form = document.getElementById("copy-form");
  if (form) refresh(form);
}

function refresh(form) {
  const ticked = [...form.querySelectorAll('[name="zones"]:checked:not(:disabled)')];
  const count = ticked.length;
  // One ISO takes the same in every zone; of several, each zone may lack others.
  const needed = ticked.reduce((sum, zone) => sum + Number(zone.dataset.bytes ?? form.dataset.bytes), 0);
  const free = Number(form.dataset.free);
  const total = form.querySelector("[data-copy-total]");
  const zones = `${count} ${count === 1 ? "zone" : "zones"}`;
  total.textContent = count ? `${zones} · ${bytes(needed)} of ${bytes(free)} free` : "";
  total.classList.toggle("err", needed > free);
}

document.addEventListener("change", (event) => {
  if (event.target.closest?.("#copy-form")) refreshCopyForms();
});
