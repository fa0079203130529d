/** Unblocks an address after a bounce or a complaint. Blocked addresses are stored as hashes, so they cannot be listed. */

import { useState } from "preact/hooks";
import { content } from "../../client";
import { Form } from "../../parts/form";
import { manager } from "../api";
import { TextField } from "../parts/fields";
import { useRoomTexts } from "../texts";

const release = (email: string) => content(manager.POST("/admin/suppressed-addresses/release", { body: { email } }));

export function ReleaseForm() {
  const own = useRoomTexts("messages");
  const [values, setValues] = useState({ email: "" });
  const [released, setReleased] = useState("");
  const draft = { values, set: (changes: Partial<typeof values>) => setValues({ ...values, ...changes }) };
  const submit = async () => {
    setReleased("");
    const email = values.email.trim();
    await release(email);
    setReleased(email);
    setValues({ email: "" });
  };
  return (
    <>
      <Form onSubmit={submit} button={own.unblock}>
        {(errorOf) => (
          <>
            <h2>{own.unblockTitle}</h2>
            <p>{own.unblockText}</p>
            <TextField name="email" label={own.address} type="email" required maxLength={254} draft={draft} errorOf={errorOf} />
          </>
        )}
      </Form>
      <div role="status">{released && <p class="notice">{own.unblocked(released)}</p>}</div>
    </>
  );
}
