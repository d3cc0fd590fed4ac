// What can be said of a file before a byte of it travels.

import { bytes, pair } from "./words.js";

const SAMPLE = 65536;
const DESCRIPTOR = 32769; // where ISO 9660 puts its mark, behind 16 unused sectors and a type byte

/** Why the file can't be uploaded, or "". Sizes in bytes: largest single ISO, free of total storage. */
export function refusal(file, { largest, free, total }) {
  if (!file.name.toLowerCase().endsWith(".iso")) {
    return "Only .iso files can be uploaded. Choose a file whose name ends in .iso.";
  }
  if (file.size === 0) return "The file is empty. Choose another file.";
  if (file.size > largest) {
    return `This ISO is ${pair(file.size, largest, "; the largest allowed is ")}. Choose a smaller one, or ask your administrator.`;
  }
  if (file.size > free) {
    return `This ISO needs ${pair(file.size, free, ", but only ")} of your ${bytes(total)} is free. Delete an ISO, or ask your administrator for more.`;
  }
  return "";
}

/** Whether the file's start has the mark of ISO 9660. The portal decides; this only warns early. */
export async function looksLikeIso(file) {
  const mark = await file.slice(DESCRIPTOR, DESCRIPTOR + 5).text();
  return mark === "CD001";
}

/** SHA-256 in hex of the first and last 64 KiB and the size: knows a file again without reading all of it. */
export async function fingerprint(file) {
  if (!crypto.subtle) return ""; // plain HTTP on another host than this one
  const sample = new Blob([file.slice(0, SAMPLE), file.slice(Math.max(0, file.size - SAMPLE)), String(file.size)]);
  const digest = await crypto.subtle.digest("SHA-256", await sample.arrayBuffer());
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Whether the browser can still read it: a file that changed after it was chosen can't be. */
export async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}

/** Why this is not the file whose upload is to be resumed, or "". */
export async function difference(file, wanted) {
  const again = `Choose “${wanted.name}” of ${wanted.size.toLocaleString("en-US")} bytes.`;
  if (file.name !== wanted.name) return `This file is called “${file.name}”. ${again}`;
  if (file.size !== wanted.size) return `This file has ${file.size.toLocaleString("en-US")} bytes. ${again}`;
  if (wanted.fingerprint && crypto.subtle && (await fingerprint(file)) !== wanted.fingerprint) {
    return "This file has the same name and size, but other content. Choose the file that you began with.";
  }
  return "";
}
