// Several ISOs of the list at once: what is selected stays so while the table is replaced.

const selected = new Set();
const boxes = () => [...document.querySelectorAll('[name="iso"][form="bulk"]')];

/** Ticks again what was selected; what is not in the list any more is forgotten. */
export function keepSelection() {
  const there = new Set(boxes().map((box) => box.value));
  for (const id of [...selected]) if (!there.has(id)) selected.delete(id);
  for (const box of boxes()) box.checked = selected.has(box.value);
  show();
}

export function clearSelection() {
  selected.clear();
  keepSelection();
}

function show() {
  const bar = document.getElementById("bulk");
  if (!bar) return;
  bar.toggleAttribute("data-shown", selected.size > 0);
  bar.querySelector("[data-count]").textContent = selected.size;
}

document.addEventListener("change", (event) => {
  if (!event.target.matches?.('[name="iso"][form="bulk"]')) return;
  if (event.target.checked) selected.add(event.target.value);
  else selected.delete(event.target.value);
  show();
});

document.addEventListener("click", (event) => {
  if (event.target.closest?.("#bulk [data-clear]")) clearSelection();
});

// A page that comes back may have its boxes ticked by the browser.
for (const box of boxes()) if (box.checked) selected.add(box.value);
show();
