/** The reason for a cancellation, which buyers read in their language. */

import { AreaField } from "../parts/fields";
import { OtherLanguages } from "../parts/other-languages";
import { toMap, type OtherTexts } from "../parts/other-texts";
import { useRoomTexts } from "../texts";

export type ReasonValues = { reason: string } & OtherTexts<"reasons">;

export const NO_REASON: ReasonValues = { reason: "" };

export const toReasons = (values: ReasonValues) => ({ reason: values.reason.trim(), reasons: toMap("reasons", values) });

export function ReasonFields({ values, setValues }: { values: ReasonValues; setValues: (values: ReasonValues) => void }) {
  const own = useRoomTexts("events");
  const form = { draft: { values, set: (changes: Partial<ReasonValues>) => setValues({ ...values, ...changes } as ReasonValues) }, errorOf: () => null };
  const field = { label: own.cancelReason, maxLength: 500, rows: 3 };
  return (
    <>
      <AreaField {...form} {...field} name="reason" note={own.cancelReasonNote} />
      <OtherLanguages {...form} texts={{ reasons: field }} />
    </>
  );
}
