// @ts-check
/** The page of a group: pictures, headers, tables, light curves; deleting it. */

import { part } from "../draw/find.js";
import { watchBrokenPictures } from "../draw/product/broken_pictures.js";
import { chooseStretch } from "../draw/product/stretch.js";
import { may } from "../draw/role.js";
import { keepTimes } from "../draw/times.js";
import { offerDeletion } from "./deletion.js";
import { openHeaders } from "./headers.js";
import { showPeeks } from "./peeks.js";

const PEEKED_BYTES = 32_768;

keepTimes(Number(part("#group").dataset.now));
watchBrokenPictures(part("main"), (image) => image.classList.add("broken"));
chooseStretch();
openHeaders();
showPeeks(PEEKED_BYTES, false);
if (may("admin")) offerDeletion(part("#delete-group"), part("#group-problem"), {
  path: `/api/groups/${part("#group").dataset.pk}/`,
  question: `Delete the group ${part("#delete-group").dataset.name}? Its data products stay.`,
});
