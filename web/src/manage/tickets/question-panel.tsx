/** The questions for buyers of a ticket type or package: four at most. */

import { useRef, useState } from "preact/hooks";
import { Form } from "../../parts/form";
import { Confirmed } from "../parts/confirmed";
import { CheckField, SelectField, TextField } from "../parts/fields";
import { OtherLanguages } from "../parts/other-languages";
import { mapped, toMap, toOtherTexts, type OtherTexts } from "../parts/other-texts";
import { useRoomTexts } from "../texts";
import { changeOption, createOption, deleteOption, type Option, type OptionFields, type Tier } from "./api";

const MAX_QUESTIONS = 4;

interface Props {
  tier: Tier;
  onChanged: () => Promise<unknown>;
}

export function QuestionPanel({ tier, onChanged }: Props) {
  const own = useRoomTexts("tickets");
  const [isOpen, setOpen] = useState(false);
  const [edited, setEdited] = useState<string | null>(null);
  return (
    <section class="panel">
      <h2>{own.questionsTitle}</h2>
      <p class="small">{own.questionsNote}</p>
      {tier.options.length > 0 && (
        <ul class="questions">
          {tier.options.map((option) => (
            <li key={option.id}>
              {edited === option.id ? (
                <QuestionForm tier={tier} option={option} onDone={async () => (await onChanged(), setEdited(null))} onClose={() => setEdited(null)} />
              ) : (
                <>
                  <p>
                    <strong>{option.label}</strong>
                  </p>
                  <p class="small">
                    {[own.kinds[option.option_type], option.is_required ? own.required : own.optional, { purchase: own.once, ticket: own.eachTicket, guest: own.eachGuest }[option.per ?? "purchase"]]
                      .concat(option.choices ? [option.choices.join(", ")] : [])
                      .join(" · ")}
                  </p>
                  <div class="row">
                    <button type="button" class="link" aria-label={`${own.change}: ${option.label}`} onClick={() => setEdited(option.id)}>
                      {own.change}
                    </button>
                    <Confirmed label={own.delete} subject={option.label} confirm={own.deleteQuestion} class="link" act={async () => void (await deleteOption(tier, option.id), await onChanged())}>
                      <p>{own.deleteQuestionText}</p>
                    </Confirmed>
                  </div>
                </>
              )}
            </li>
          ))}
        </ul>
      )}
      {isOpen ? (
        <QuestionForm tier={tier} option={null} onDone={async () => (await onChanged(), setOpen(false))} onClose={() => setOpen(false)} />
      ) : tier.options.length < MAX_QUESTIONS ? (
        <button type="button" class="button button-quiet" onClick={() => setOpen(true)}>
          {own.addQuestion}
        </button>
      ) : (
        <p class="small">{own.noMoreQuestions}</p>
      )}
    </section>
  );
}

type QuestionValues = { label: string; option_type: string; choices: string; is_required: boolean; per: string } & OtherTexts<"labels" | "other_choices">;

const joined = (choices: string[]) => choices.join(", ");
const split = (text: string) => text.split(",").map((choice) => choice.trim()).filter(Boolean);

function QuestionForm({ tier, option, onDone, onClose }: { tier: Tier; option: Option | null; onDone: () => Promise<unknown>; onClose: () => void }) {
  const own = useRoomTexts("tickets");
  const [values, setValues] = useState<QuestionValues>(() => ({
    label: option?.label ?? "",
    option_type: option?.option_type ?? "text_input",
    choices: joined(option?.choices ?? []),
    is_required: option?.is_required ?? true,
    per: option?.per ?? "purchase",
    ...toOtherTexts({ labels: option?.labels, other_choices: mapped(option?.other_choices ?? {}, joined) }),
  }));
  const key = useRef({ content: "", key: "" });
  const draft = { values, set: (changes: Partial<QuestionValues>) => setValues({ ...values, ...changes } as QuestionValues) };
  const submit = async () => {
    const body = {
      label: values.label.trim(),
      labels: toMap("labels", values),
      option_type: values.option_type,
      is_required: values.is_required,
      per: values.per,
      ...(values.option_type === "multi_select" && { choices: split(values.choices), other_choices: mapped(toMap("other_choices", values), split) }),
    } as OptionFields;
    if (key.current.content !== JSON.stringify(body)) key.current = { content: JSON.stringify(body), key: crypto.randomUUID() };
    if (option) await changeOption(tier, option.id, body);
    else await createOption(tier, body, key.current.key);
    await onDone();
  };
  return (
    <Form onSubmit={submit} button={option ? own.saveChanges : own.saveQuestion} class="question-form">
      {(errorOf) => (
        <>
          <TextField name="label" label={own.question} placeholder={own.questionExample} required maxLength={200} draft={draft} errorOf={errorOf} />
          <OtherLanguages texts={{ labels: { label: own.question, maxLength: 200 } }} draft={draft} errorOf={errorOf} />
          <div class="pair">
            <SelectField name="option_type" label={own.kind} options={Object.entries(own.kinds)} draft={draft} errorOf={errorOf} />
            <SelectField name="per" label={own.per} options={[["purchase", own.once], ["ticket", own.eachTicket], ["guest", own.eachGuest]]} draft={draft} errorOf={errorOf} />
          </div>
          {values.option_type === "multi_select" && (
            <>
              <TextField name="choices" label={own.choices} note={own.choicesNote} required maxLength={1100} draft={draft} errorOf={errorOf} />
              <OtherLanguages texts={{ other_choices: { label: own.choices, maxLength: 1100 } }} draft={draft} errorOf={errorOf} />
            </>
          )}
          <CheckField name="is_required" label={own.answerRequired} draft={draft} />
          <button type="button" class="link" onClick={onClose}>
            {own.close}
          </button>
        </>
      )}
    </Form>
  );
}
