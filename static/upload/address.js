// The address field: checked when it is left or Check is pressed; the verdict may suggest a name.

import { clearError, showFieldError } from "./errors.js";

const SIGNED_OUT = "Your session ended. Sign in again in a new tab, then check again.";
const UNREACHABLE = "The portal can’t be reached. Check your connection, then check again.";
const NO_ANSWER = "The portal could not check this address. Wait a moment, then check again.";

/** Watches #id_url of `form`. `onVerdict({name, size})` hears what a good address brings, null once it is another one. */
export function watchAddress(form, onVerdict = () => {}) {
  const input = form.elements.url;
  const button = document.getElementById("check-url");
  const words = button.querySelector("span");
  let checked = "";

  const check = () => {
    const address = input.value.trim();
    if (address && address !== checked) button.click();
  };
  const forget = () => {
    checked = "";
    document.querySelector("[data-verdict]")?.remove();
    clearError(form, "url");
    onVerdict(null);
  };
  const busy = (is) => {
    words.textContent = is ? "Checking…" : "Check";
    button.toggleAttribute("aria-busy", is);
  };

  input.addEventListener("change", check);
  input.addEventListener("input", forget);
  const ours = (ctx) => ctx.sourceElement === button;
  document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
    if (!ours(ctx)) return;
    checked = input.value.trim();
    busy(true);
  });
  document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
    if (ours(ctx)) busy(false);
  });
  document.addEventListener("htmx:error", ({ detail: { ctx } }) => {
    if (!ctx || !ours(ctx) || input.value.trim() !== checked) return; // another check took its place
    checked = "";
    showFieldError(form, "url", UNREACHABLE);
  });
  document.addEventListener("htmx:before:response", (event) => {
    const { ctx } = event.detail;
    if (!ours(ctx) || ctx.response.status < 400 || ctx.response.status === 422) return;
    event.preventDefault(); // a session that ended must not reload a page on which somebody has typed
    checked = "";
    showFieldError(form, "url", ctx.response.status === 401 ? SIGNED_OUT : NO_ANSWER);
  });
  document.addEventListener("htmx:before:swap", (event) => {
    // An answer about an address that is not the one in the field any more.
    if (ours(event.detail.ctx) && input.value.trim() !== checked) event.preventDefault();
  });
  document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
    if (!ours(ctx)) return;
    const wrong = document.getElementById("url-error").childElementCount > 0;
    if (wrong) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
    const verdict = document.querySelector("[data-verdict]");
    if (verdict) onVerdict({ name: verdict.dataset.name, size: Number(verdict.dataset.size) });
  });
}
