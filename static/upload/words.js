// Numbers for people, by the rules of portal/kernel/text.py: decimal units, three digits.

const UNITS = ["bytes", "kB", "MB", "GB", "TB", "PB"];

/** `3.08 GB`, `512 bytes`. */
export function bytes(count) {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  if (unit === 0) return count === 1 ? "1 byte" : `${Math.round(count)} bytes`;
  const digits = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

/** Two sizes in one sentence: in single bytes where rounding would make different ones look alike. */
export function pair(first, second, between) {
  if (first !== second && bytes(first) === bytes(second)) {
    const exact = (count) => `${count.toLocaleString("en-US")} bytes`;
    return exact(first) + between + exact(second);
  }
  return bytes(first) + between + bytes(second);
}

/** `about 40 s left`, `about 3 min left`, `about 2 h 10 min left`. */
export function timeLeft(seconds) {
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 5) return "a few seconds left";
  if (seconds < 90) return `about ${Math.ceil(seconds / 5) * 5} s left`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return `about ${minutes} min left`;
  const rest = Math.round((minutes % 60) / 10) * 10;
  const hours = Math.floor(minutes / 60) + (rest === 60 ? 1 : 0);
  return `about ${hours} h${rest % 60 ? ` ${rest} min` : ""} left`;
}
