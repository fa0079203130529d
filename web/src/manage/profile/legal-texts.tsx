/** The legal texts of a promoter, or of the shop: a list, and a form that adds or replaces one of them. */

import { useState } from "preact/hooks";
import { content, publicApi, type Schemas } from "../../client";
import { Failure, Skeleton } from "../../parts/failure";
import { Form } from "../../parts/form";
import { useAction, useLoaded } from "../../parts/hooks";
import { useTexts } from "../../texts";
import { useLegalTexts } from "../../texts/use-legal";
import { manager } from "../api";
import { AreaField, SelectField, TextField } from "../parts/fields";
import { useRoomTexts } from "../texts";

type Entries = Schemas["LegalTextsView"]["legal_texts"];
type Kind = Entries[number]["kind"];

const KINDS: Kind[] = ["imprint", "terms", "privacy", "refunds", "accessibility"];
const loadTexts = async (promoter_id: string) => (await content(publicApi.GET("/promoters/{promoter_id}/legal-texts", { params: { path: { promoter_id } } }))).legal_texts;

export function LegalTexts({ ownerId }: { ownerId: string }) {
  const own = useRoomTexts("legalTexts");
  const { value, failure, reload } = useLoaded(() => loadTexts(ownerId), ownerId);
  const [changed, setChanged] = useState<Entries | null>(null);
  const entries = changed ?? value;
  return (
    <section class="panel">
      <h2>{ownerId === "shop" ? own.titleOfShop : own.title}</h2>
      <p>{ownerId === "shop" ? own.leadOfShop : own.lead}</p>
      {entries ? <Editor ownerId={ownerId} entries={entries} onSaved={setChanged} /> : failure ? <Failure failure={failure} retry={reload} /> : <Skeleton lines={4} />}
    </section>
  );
}

function Editor({ ownerId, entries, onSaved }: { ownerId: string; entries: Entries; onSaved: (entries: Entries) => void }) {
  const own = useRoomTexts("legalTexts");
  const form = useRoomTexts("forms");
  const { language } = useTexts();
  const legal = useLegalTexts();
  const empty = { kind: "imprint" as Kind, language: language as string, url: "", text: "" };
  const [values, setValues] = useState(empty);
  const [isSaved, setSaved] = useState(false);
  const { isWorking, failure, run } = useAction();
  const draft = { values, set: (typed: Partial<typeof empty>) => (setValues({ ...values, ...typed }), setSaved(false)) };
  const path = (kind: Kind, of: string) => ({ params: { path: { promoter_id: ownerId, kind, language: of } } });
  const save = async () => {
    const { kind, language: typed, url, text } = values;
    const body = { url: url.trim() || null, text: text.trim() || null };
    onSaved((await content(manager.PUT("/promoters/{promoter_id}/legal-texts/{kind}/{language}", { ...path(kind, typed.trim().toLowerCase()), body }))).legal_texts);
    setValues(empty);
    setSaved(true);
  };
  const edit = (entry: Entries[number]) =>
    run(async () => {
      const { url, text } = await content(publicApi.GET("/legal-texts/{text_id}", { params: { path: { text_id: entry.id } } }));
      draft.set({ kind: entry.kind, language: entry.language, url: url ?? "", text: text ?? "" });
    });
  const remove = (entry: Entries[number]) =>
    run(async () => onSaved((await content(manager.DELETE("/promoters/{promoter_id}/legal-texts/{kind}/{language}", path(entry.kind, entry.language)))).legal_texts));
  return (
    <>
      {failure && <Failure failure={failure} />}
      <ul class="entries">
        {entries.map((entry) => {
          const name = `${legal.kinds[entry.kind]}, ${new Intl.DisplayNames([language], { type: "language" }).of(entry.language)}`;
          return (
            <li key={entry.id}>
              <a href={entry.url ?? `/legal/${entry.id}`}>{name}</a>{" "}
              <button type="button" class="link" disabled={isWorking} aria-label={own.changeNamed(name)} onClick={() => edit(entry)}>
                {own.change}
              </button>{" "}
              <button type="button" class="link" disabled={isWorking} aria-label={own.removeNamed(name)} onClick={() => remove(entry)}>
                {own.remove}
              </button>
            </li>
          );
        })}
      </ul>
      <Form onSubmit={save} button={own.publish} isQuiet>
        {(errorOf) => (
          <>
            <div class="pair">
              <SelectField name="kind" label={own.kind} options={KINDS.map((kind) => [kind, legal.kinds[kind]] as const)} draft={draft} errorOf={errorOf} />
              <TextField name="language" label={own.language} note={own.languageNote} required maxLength={2} draft={draft} errorOf={errorOf} />
            </div>
            <AreaField name="text" label={own.text} note={own.textNote} maxLength={40000} rows={8} draft={draft} errorOf={errorOf} />
            {values.kind === "accessibility" && !values.text && (
              <button type="button" class="link" onClick={() => draft.set({ text: own.accessibilityTemplate })}>
                {own.useTemplate}
              </button>
            )}
            <TextField name="url" label={own.url} maxLength={500} draft={draft} errorOf={errorOf} />
            <p role="status" class={isSaved ? "saved" : "hidden"}>
              {isSaved && form.saved}
            </p>
          </>
        )}
      </Form>
    </>
  );
}
