/** Links to common tasks, in the words of the people who do them. */

import { useRoomTexts, type RoomTexts } from "../texts";
import type { Right } from "../rights";
import { useManagedEvent, useMay } from "../who";

const TASKS: ({ name: keyof RoomTexts["events"]["tasks"]; right: Right; path: string } | false)[] = [
  { name: "pause", right: "steerSale", path: "live" },
  { name: "refund", right: "refundOrders", path: "orders" },
  { name: "prices", right: "managePackages", path: "tickets" },
  ADDONS.reports && { name: "scans", right: "seeHistory", path: "history?show=scans" },
  { name: "invite", right: "manageStaff", path: "people" },
];

export function Tasks() {
  const own = useRoomTexts("events");
  const { event } = useManagedEvent();
  const may = useMay();
  const tasks = TASKS.filter((task) => task !== false).filter(({ right }) => may(right));
  if (tasks.length === 0) return null;
  return (
    <section class="panel">
      <h2>{own.tasksTitle}</h2>
      <ul class="tasks">
        {tasks.map(({ name, path }) => (
          <li key={name}>
            <a href={`/manage/events/${event.id}/${path}`}>{own.tasks[name]}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}
