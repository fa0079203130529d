/** What the owner of a ticket can do with it, as one file for the pages that show tickets. */

export { SeatsPanel } from "./seats-panel";
export { TransferPanel } from "./transfer-panel";
