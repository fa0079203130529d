/** Converts an event between the form and the API. */

import type { Schemas } from "../../client";
import type { ManagedEvent } from "../api";
import { fromLocal, toLocal } from "../zoned-time";

export type EventFields = Schemas["EventFields"];

/** Times are local to the event; numbers are as typed, "" for none. */
export type EventValues = {
  name: string;
  venue: string;
  address: string;
  city: string;
  category: string;
  description: string;
  timezone: string;
  starts_at: string;
  ends_at: string;
  on_sale_at: string;
  has_line: boolean;
  wave_size: string;
  wave_seconds: string;
  pass_seconds: string;
  follow_stock: boolean;
  purchase_limit: string;
  hold_seconds: string;
  capacity: string;
};

export function emptyValues(): EventValues {
  return {
    name: "",
    venue: "",
    address: "",
    city: "",
    category: "",
    description: "",
    timezone: new Intl.DateTimeFormat().resolvedOptions().timeZone,
    starts_at: "",
    ends_at: "",
    on_sale_at: "",
    has_line: true,
    wave_size: "",
    wave_seconds: "",
    pass_seconds: "",
    follow_stock: false,
    purchase_limit: "",
    hold_seconds: "",
    capacity: "",
  };
}

export function toValues(event: ManagedEvent): EventValues {
  const { timezone, waiting_room: room } = event;
  return {
    name: event.name,
    venue: event.venue,
    address: event.address,
    city: event.city ?? "",
    category: event.category ?? "",
    description: event.description,
    timezone,
    starts_at: toLocal(event.starts_at, timezone),
    ends_at: toLocal(event.ends_at, timezone),
    on_sale_at: toLocal(event.on_sale_at, timezone),
    has_line: room?.enabled ?? true,
    wave_size: text(room?.wave_size),
    wave_seconds: text(room?.wave_seconds),
    pass_seconds: text(room?.pass_seconds),
    follow_stock: room?.follow_stock ?? false,
    purchase_limit: text(event.purchase_limit),
    hold_seconds: text(event.hold_seconds),
    capacity: text(event.capacity),
  };
}

/** Convert the form to the API's fields. Empty fields become null, so that the stage's settings apply. */
export function toFields(values: EventValues): EventFields {
  const { timezone } = values;
  const [wave_size, wave_seconds, pass_seconds] = [values.wave_size, values.wave_seconds, values.pass_seconds].map(number);
  const isUsual = values.has_line && !values.follow_stock && wave_size === null && wave_seconds === null && pass_seconds === null;
  return {
    name: values.name.trim(),
    venue: values.venue.trim(),
    address: values.address.trim(),
    city: values.city.trim() || null,
    category: values.category.trim() || null,
    description: values.description.trim(),
    timezone,
    starts_at: fromLocal(values.starts_at, timezone),
    ends_at: fromLocal(values.ends_at, timezone),
    on_sale_at: fromLocal(values.on_sale_at, timezone),
    waiting_room: isUsual ? null : { enabled: values.has_line, wave_size, wave_seconds, pass_seconds, follow_stock: values.follow_stock },
    purchase_limit: number(values.purchase_limit),
    hold_seconds: number(values.hold_seconds),
    capacity: number(values.capacity),
  };
}

const text = (value: number | null | undefined) => (value === null || value === undefined ? "" : String(value));
const number = (typed: string) => (typed.trim() === "" ? null : Number(typed));
