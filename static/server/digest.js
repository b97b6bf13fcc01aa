// @ts-check
/** Digests of files, by which equal ones are recognised. */

/** A digest needs the whole file in memory. */
const LARGEST_BYTES = 256_000_000;

/**
 * @param {File} file
 * @returns {Promise<string>} its SHA-256 in hexadecimal, or an empty text where it cannot be computed
 */
export async function sha256Of(file) {
  // Browsers offer `subtle` only to pages from a secure origin: HTTPS or this machine.
  if (!crypto.subtle || file.size > LARGEST_BYTES) return "";
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
