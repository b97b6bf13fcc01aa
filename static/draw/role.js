// @ts-check
/**
 * What the reader may do. The server leaves out of each page what the reader may not, and refuses it
 * anyway; scripts ask here before they offer, or start, what is not in the page's own markup.
 */

/** Each may do all that the ones before it may; a guest sees one process by a link to it. */
const ROLES = ["guest", "viewer", "operator", "admin"];

/** @param {"viewer" | "operator" | "admin"} role */
export function may(role) {
  return ROLES.indexOf(document.body.dataset.role ?? "") >= ROLES.indexOf(role);
}
