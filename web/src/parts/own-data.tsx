/** A person's data rights: download their data, or delete it. */

import { useState } from "preact/hooks";
import { eraseAddress, eraseMe, exportAddress, exportMe } from "../api";
import { save } from "../downloads";
import { signOut } from "../session";
import { useTexts } from "../texts";
import { Failure } from "./failure";
import { Form, PasswordField } from "./form";
import { useAction } from "./hooks";

const FILE = "fairgate-my-data.json";

interface Props {
  /** Deletion requires the password, which guests do not have. */
  hasAccount: boolean;
  /** Called before the session ends. */
  onErased: () => void;
  /** The token of an opened link: the data are those of its address, whoever uses this browser. */
  token?: string;
}

export function OwnData({ hasAccount, onErased, token }: Props) {
  const { t } = useTexts();
  const { isWorking, failure, run } = useAction();
  const [isOpen, setOpen] = useState(false);
  const download = () => run(async () => {
      const content = JSON.stringify(await (token ? exportAddress(token) : exportMe()), null, 2);
      save(new Blob([content], { type: "application/json" }), FILE);
    });
  const erase = async ({ current_password }: Record<string, string>) => {
    await (token ? eraseAddress(token) : eraseMe(current_password));
    onErased();
    if (!token) await signOut();
  };
  return (
    <section class="panel">
      <h2>{t.ownData.title}</h2>
      <p>{token ? t.ownData.addressText : t.ownData.text}</p>
      {failure && <Failure failure={failure} />}
      <button type="button" class="button button-quiet" onClick={download} disabled={isWorking}>
        {isWorking ? t.checkout.working : t.ownData.download}
      </button>
      <details class="more" onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>{hasAccount ? t.ownData.erase : t.ownData.eraseGuest}</summary>
        {isOpen && (
          <Form onSubmit={erase} button={t.ownData.eraseNow} class="fields">
            {(errorOf) => (
              <>
                <p>{token ? t.ownData.eraseAddress : t.ownData.eraseText}</p>
                <p>{token ? t.ownData.eraseFound : t.ownData.eraseTickets}</p>
                {hasAccount && <PasswordField name="current_password" label={t.form.currentPassword} error={errorOf("current_password")} />}
                <label class="check">
                  <input type="checkbox" required />
                  {t.ownData.understood}
                </label>
              </>
            )}
          </Form>
        )}
      </details>
    </section>
  );
}
