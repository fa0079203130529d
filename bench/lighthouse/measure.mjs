/** Measures the addresses that it is given and prints the scores of each as a line of JSON: [address, {category: score from 0 to 100}, CLS]. */

import { launch } from "chrome-launcher";
import lighthouse from "lighthouse";

const [chromePath, ...addresses] = process.argv.slice(2);
const chrome = await launch({ chromePath, chromeFlags: ["--headless=new", "--no-sandbox"] });
try {
  for (const address of addresses) {
    const options = { port: chrome.port, onlyCategories: ["performance", "accessibility", "best-practices"], logLevel: "error" };
    const { lhr } = await lighthouse(address, options);
    const scores = Object.fromEntries(Object.values(lhr.categories).map(({ id, score }) => [id, Math.round(100 * score)]));
    console.log(JSON.stringify([address, scores, lhr.audits["cumulative-layout-shift"].numericValue]));
  }
} finally {
  chrome.kill();
}
