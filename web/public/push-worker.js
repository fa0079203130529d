/** Shows the push messages to which src/parts/turn-mails.tsx subscribes. A click opens the page of a message. */
addEventListener("install", () => skipWaiting());
addEventListener("push", (event) => {
  const { title, url, ...options } = event.data.json();
  event.waitUntil(registration.showNotification(title, { ...options, renotify: true, data: url }));
});
addEventListener("notificationclick", (event) => {
  event.notification.close();
  event.waitUntil(openPage(event.notification.data));
});
async function openPage(url) {
  const pages = await clients.matchAll({ type: "window", includeUncontrolled: true });
  const { pathname } = new URL(url, location.href);
  const page = pages.find((page) => new URL(page.url).pathname === pathname);
  return page ? page.focus() : clients.openWindow(url);
}
