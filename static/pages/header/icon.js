// @ts-check
/** The icon of the page with how many processes run and wait. Loaded once there are any. */

import { addressOf } from "../../server/address.js";

/** @param {string} badge a number of at most two digits, or nothing */
export function drawBadge(badge) {
  const link = /** @type {HTMLLinkElement | null} */ (document.querySelector('link[rel="icon"]'));
  if (!link) return;
  link.href = badge ? `data:image/svg+xml,${encodeURIComponent(badged(badge))}` : addressOf("/static/favicon.svg");
}

/** @param {string} badge a number of at most two digits */
function badged(badge) {
  const size = badge.length > 1 ? 15 : 18;
  const square = '<rect width="32" height="32" rx="7" fill="#0d1320"/>';
  const star = '<path d="M9 4c.7 5 2 6.300 7 7-5 .7-6.300 2-7 7-.7-5-2-6.300-7-7 5-.7 6.300-2 7-7z" fill="#f5c04e"/>';
  const look = `font-family="sans-serif" font-weight="700" font-size="${size}" text-anchor="middle" fill="#fff"`;
  const text = `<text x="20" y="28" ${look}>${badge}</text>`;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">${square}${star}${text}</svg>`;
}
