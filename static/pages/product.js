// @ts-check
/** The page of a data product: its picture, header, table or light curve; deleting it. */

import { needed } from "../draw/connection.js";
import { part } from "../draw/find.js";
import { messageOf, showProblem } from "../draw/problems.js";
import { watchBrokenPictures } from "../draw/product/broken_pictures.js";
import { chooseStretch } from "../draw/product/stretch.js";
import { updateRegion } from "../draw/region/morph.js";
import { may } from "../draw/role.js";
import { keepTimes } from "../draw/times.js";
import { get, getPage } from "../server/api.js";
import { offerDeletion } from "./deletion.js";
import { follow } from "./followed.js";
import { importCurve } from "./importing.js";
import { openHeaders } from "./headers.js";
import { showPeeks } from "./peeks.js";

const PEEKED_BYTES = 262_144;

keepTimes(Number(part("#product").dataset.now));
watchBrokenPictures(part("main"), (image) => {
  image.classList.add("broken");
  void explain(image.src);
});
chooseStretch();
openHeaders();
showPeeks(PEEKED_BYTES, true, may("operator") ? offerImport : undefined);

const { pk, target } = part("#product").dataset;
follow(`/api/dataproducts/${pk}/`, [Number(target)], ["products", "groups"], async () => {
  updateRegion("product-facts", await getPage(location.pathname + location.search));
});
if (may("admin")) offerDeletion(part("#delete-product"), part("#product-problem"), {
  path: `/api/dataproducts/${pk}/`,
  question: `Delete ${part("#delete-product").dataset.name}?`,
});

void startViewer();

/** Let the measurements of the table that is shown be added to its target's light curve. */
function offerImport() {
  const button = /** @type {HTMLButtonElement} */ (part("#import-curve"));
  button.hidden = false;
  button.addEventListener("click", async () => {
    button.disabled = true;
    showProblem(part("#product-problem"), "");
    try {
      part("#import-news").textContent = await importCurve(Number(button.dataset.target), Number(part("#product").dataset.pk));
    } catch (error) {
      showProblem(part("#product-problem"), messageOf(error));
    }
    button.disabled = false;
  });
}

/** @param {string} picture the address of one that could not be drawn */
async function explain(picture) {
  try {
    await get(picture);
  } catch (error) {
    showProblem(part("#product-problem"), messageOf(error));
  }
}

async function startViewer() {
  const place = document.getElementById("viewer"); // of images only
  if (!place) return;
  const { openViewer } = await needed(() => import("../viewer/page.js"));
  openViewer(place);
}
