// @ts-check
/** The page of a receipt: refreshed until the process has ended. */

import { part } from "../draw/find.js";
import { swapRegion } from "../draw/region.js";
import { keepTimes } from "../draw/times.js";
import { ApiError, getPage, POLL_MS } from "../server/api.js";

keepTimes(Number(part("#receipt").dataset.now));
void refreshUntilEnded();

async function refreshUntilEnded() {
  while (!("ended" in part("#receipt").dataset)) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    if (document.hidden) continue;
    try {
      swapRegion("receipt", await getPage(location.pathname));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error; // the next request may succeed
    }
  }
}
