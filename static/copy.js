// The form of Copy ISO: what the ticked zones take together.

import { bytes, monthly } from "./upload/words.js";

export function refreshCopyForms() {
  const form = document.getElementById("copy-form");
  if (form) refresh(form);
}

function refresh(form) {
  const ticked = [...form.querySelectorAll('[name="zones"]:checked:not(:disabled)')];
  const count = ticked.length;
  // One ISO takes the same in every zone; of several, each zone may lack others.
  const sizeOf = (zone) => Number(zone.dataset.bytes ?? form.dataset.bytes);
  const needed = ticked.reduce((sum, zone) => sum + sizeOf(zone), 0);
  const free = Number(form.dataset.free);
  const total = form.querySelector("[data-copy-total]");
  const zones = `${count} ${count === 1 ? "zone" : "zones"}`;
  total.textContent = count ? `${zones} · ${bytes(needed)} of ${bytes(free)} free · ${monthly(ticked, sizeOf)}` : "";
  total.classList.toggle("err", needed > free);
}

document.addEventListener("change", (event) => {
  if (event.target.closest?.("#copy-form")) refreshCopyForms();
});
