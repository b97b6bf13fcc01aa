// @ts-check
/** Reads coordinates as people write them: in degrees, or sexagesimal (16:41:41.6, +36:27:41). */

/**
 * @param {string} text
 * @param {number} unit degrees of its first part when it has several: 15 for hours
 * @returns {number | null} degrees, null for an empty text, NaN for what is no coordinate
 */
export function degreesOf(text, unit) {
  const clean = text.trim().replace(/[−–]/g, "-");
  if (!clean) return null;
  const parts = clean.split(/[\s:hdms°'"′″]+/i).filter(Boolean);
  if (parts.length > 3 || !parts.every((part) => /^[+-]?\d+(\.\d*)?$/.test(part))) return NaN;
  if (parts.length === 1) return /h/i.test(clean) ? Number(parts[0]) * unit : Number(parts[0]);
  const [whole, minutes, seconds] = [...parts, "0"].map((part) => Math.abs(Number(part)));
  if (minutes >= 60 || seconds >= 60) return NaN;
  const size = (whole + minutes / 60 + seconds / 3600) * unit;
  return round(clean.startsWith("-") ? -size : size);
}

/** @param {number} degrees rounded to 10 decimals: sexagesimal values have endless ones */
function round(degrees) {
  return Math.round(degrees * 1e10) / 1e10;
}
