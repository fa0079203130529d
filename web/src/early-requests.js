/**
 * Requests what a page needs next while its scripts are still loading: the visitor's texts and, in a waiting room, its event and its state.
 * The build sets TEXTS to the file of each language, and adds this script to index.html (vite.config.ts).
 */

function request(attributes) {
  document.head.append(Object.assign(document.createElement("link"), { crossOrigin: "", ...attributes }));
}

// As in texts/index.tsx.
const wanted = [localStorage.getItem("fairgate.language"), ...navigator.languages].map((name) => name?.slice(0, 2));
const language = wanted.find((name) => name in TEXTS) ?? "en";
request({ rel: "modulepreload", href: TEXTS[language] });

const event = /^\/events\/[^/]+(?=\/line$)/.exec(location.pathname);
for (const path of event ? [`?language=${language}`, "/waiting-room/state"] : []) {
  const noteArrival = ({ target }) => (target.dataset.arrivedAt = Date.now()); // for server-time.ts
  request({ rel: "preload", as: "fetch", href: `/api/v1${event[0]}${path}`, onload: noteArrival });
}
