// @ts-check
/** The page of a group: pictures, headers, tables, light curves; deleting it. */

import { part, parts } from "../draw/find.js";
import { watchBrokenPictures } from "../draw/product/broken_pictures.js";
import { chooseStretch } from "../draw/product/stretch.js";
import { updateRegion } from "../draw/region/morph.js";
import { regionOf, swapRegion } from "../draw/region/region.js";
import { may } from "../draw/role.js";
import { keepTimes } from "../draw/times.js";
import { getPage } from "../server/api.js";
import { offerDeletion } from "./deletion.js";
import { follow } from "./followed.js";
import { openHeaders } from "./headers.js";
import { showPeeks } from "./peeks.js";

const PEEKED_BYTES = 32_768;

keepTimes(Number(part("#group").dataset.now));
watchBrokenPictures(part("main"), (image) => image.classList.add("broken"));
chooseStretch();
showMembers();
const { pk, targets } = part("#group").dataset;
follow(`/api/groups/${pk}/`, JSON.parse(targets ?? "[]"), ["products", "groups"], drawAnew);
if (may("admin")) offerDeletion(part("#delete-group"), part("#group-problem"), {
  path: `/api/groups/${pk}/`,
  question: `Delete the group ${part("#delete-group").dataset.name}? Its data products stay.`,
});

function showMembers() {
  openHeaders();
  showPeeks(PEEKED_BYTES, false);
}

async function drawAnew() {
  const page = await getPage(location.pathname + location.search);
  updateRegion("group-facts", page);
  // What is shown goes on playing as long as it is the same.
  if (membersIn(regionOf("members", page)) === membersIn(part("#members"))) return;
  swapRegion("members", page);
  showMembers();
}

/** @param {HTMLElement} region */
function membersIn(region) {
  return parts(".piece", region).map((piece) => piece.dataset.pk).join();
}
