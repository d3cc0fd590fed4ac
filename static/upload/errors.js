// Errors at their fields and in the summary on top, as the server's own templates show them.

function holder(form, field) {
  return form.querySelector(`[data-field-error="${CSS.escape(field)}"]`);
}

function control(form, field) {
  return field === "file" ? document.getElementById("file") : document.getElementById(`id_${field}`);
}

/** Takes the error of one field away. */
export function clearError(form, field) {
  holder(form, field)?.replaceChildren();
  control(form, field)?.removeAttribute("aria-invalid");
}

/** Says at a field what is wrong with it. */
export function showFieldError(form, field, message) {
  const place = holder(form, field);
  if (!place) return;
  const error = document.createElement(place.tagName === "SPAN" ? "span" : "p"); // a label holds no paragraph
  error.className = "err";
  error.textContent = message;
  place.replaceChildren(error);
  place.id ||= `${field}-error`;
  const target = control(form, field);
  target?.setAttribute("aria-invalid", "true");
  const described = new Set((target?.getAttribute("aria-describedby") ?? "").split(" ").filter(Boolean));
  target?.setAttribute("aria-describedby", [...described.add(place.id)].join(" "));
}

/** Shows all errors, `[{field, message}]` with field "" for the form as a whole, and focuses the summary. */
export function showErrors(form, errors) {
  for (const place of form.querySelectorAll("[data-field-error]")) clearError(form, place.dataset.fieldError);
  for (const { field, message } of errors) if (field) showFieldError(form, field, message);
  const summary = document.getElementById("error-summary");
  const count = errors.length;
  summary.querySelector("[data-count]").textContent = `${count} thing${count === 1 ? " needs" : "s need"} your attention`;
  summary.querySelector("ul").replaceChildren(...errors.map((error) => line(form, error)));
  summary.hidden = false;
  summary.focus();
  summary.scrollIntoView({ block: "nearest" });
}

function line(form, { field, message }) {
  const item = document.createElement("li");
  const target = field && control(form, field);
  if (!target) {
    item.textContent = message;
    return item;
  }
  const link = document.createElement("a");
  link.href = `#${target.id}`;
  link.textContent = message;
  link.addEventListener("click", (event) => {
    event.preventDefault();
    target.focus();
  });
  item.append(link);
  return item;
}
