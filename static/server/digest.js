// @ts-check
/** What tells one file's bytes from another's. */

/** A digest needs the whole file in memory. */
const LARGEST_BYTES = 256_000_000;

/**
 * @param {File} file
 * @returns {Promise<string>} its SHA-256 in hexadecimal, or nothing where it cannot be known
 */
export async function sha256Of(file) {
  // Browsers keep `subtle` from pages that came over plain HTTP from another machine.
  if (!crypto.subtle || file.size > LARGEST_BYTES) return "";
  const digest = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
