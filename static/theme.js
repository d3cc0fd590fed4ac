// Runs before the first paint: the remembered theme must be there without a flash.
// The key and its values ("light", "dark") are the ones Django's admin uses, so that it follows.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Storage is refused: the system's theme it is.
  }
})();
