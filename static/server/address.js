// @ts-check
/**
 * Where this server is: its paths may begin with a prefix (`http.prefix`), as this script's own does.
 * Scripts write paths without it. Addresses that come from the server have it already.
 */

const PREFIX = new URL("../..", import.meta.url).pathname.slice(0, -1);

/**
 * Return the address of a path of this server; any other address, such as a complete one, as it is.
 *
 * @param {string} path
 */
export function addressOf(path) {
  return path.startsWith("/") ? PREFIX + path : path;
}

/** Return where the page is as a path of this server, with its query and fragment. */
export function pathHere() {
  return location.pathname.slice(PREFIX.length) + location.search + location.hash;
}
