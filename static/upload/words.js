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

/**
 * What `size` bytes cost in a month in each of the zones' checkboxes, by the rules of quotas/money.py: exact in whole
 * millionths. `No charge` for nothing; `Several currencies` where there is no sum.
 */
export function monthly(zones, sizeOf) {
  const charged = zones.filter((zone) => Number(zone.dataset.price) > 0);
  const currencies = new Set(charged.map((zone) => zone.dataset.currency));
  if (currencies.size > 1) return "Several currencies";
  const cost = charged.reduce((sum, zone) => sum + monthOf(BigInt(zone.dataset.price), BigInt(sizeOf(zone))), 0n);
  return cost ? `${money(cost, [...currencies][0])} / mo` : "No charge";
}

const GB = 1_000_000_000n;
const monthOf = (price, size) => (price * size * 2n + GB) / (GB * 2n); // half a millionth goes up

function money(millionths, currency) {
  const format = new Intl.NumberFormat("en-US", { style: "currency", currency });
  const smallest = 10n ** BigInt(6 - format.resolvedOptions().maximumFractionDigits);
  if (millionths < smallest) return `less than ${format.format(decimal(smallest))}`;
  return format.format(decimal(((millionths * 2n + smallest) / (smallest * 2n)) * smallest));
}

/** As text: a number of JavaScript would round large ones. */
const decimal = (millionths) => `${millionths / 1_000_000n}.${String(millionths % 1_000_000n).padStart(6, "0")}`;

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
