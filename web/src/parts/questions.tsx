/** The questions of a package, asked once per purchase or once per ticket. */

import type { CustomOption, Reservation, Tier } from "../api";
import { useTexts } from "../texts";

export type Answer = boolean | string | string[];
export type Answers = Record<string, Answer>;

interface QuestionsProps {
  options: CustomOption[];
  answers: Answers;
  onChange: (answers: Answers) => void;
  /** Prefix that keeps the input names of different tickets apart. */
  of: string;
}

/** The options of the reserved tiers: those asked once, and those of each ticket in ticket order. */
export function askedOptions(reservation: Reservation, tiers: Tier[]): { once: CustomOption[]; byTicket: CustomOption[][] } {
  const tierOptions = (tierId: string) => tiers.find((tier) => tier.id === tierId)?.options ?? [];
  return {
    once: reservation.items.flatMap((item) => tierOptions(item.tier_id).filter((option) => option.per === "purchase")),
    byTicket: reservation.items.flatMap((item) => {
      const options = tierOptions(item.tier_id).filter((option) => option.per === "ticket");
      return Array.from({ length: item.quantity }, () => options);
    }),
  };
}

export function Questions({ options, answers, onChange, of }: QuestionsProps) {
  return (
    <>
      {options.map((option) => (
        <Question
          key={option.id}
          option={option}
          name={`${of}-${option.id}`}
          answer={answers[option.id]}
          onAnswer={(answer) => onChange({ ...answers, [option.id]: answer })}
        />
      ))}
    </>
  );
}

interface QuestionProps {
  option: CustomOption;
  name: string;
  answer: Answer | undefined;
  onAnswer: (answer: Answer) => void;
}

function Question({ option, name, answer, onAnswer }: QuestionProps) {
  const { t } = useTexts();
  const label = option.is_required ? option.label : t.checkout.optional(option.label);
  if (option.option_type === "text_input") {
    return (
      <label class="field">
        <span>{label}</span>
        <input
          type="text"
          name={name}
          maxLength={500}
          required={option.is_required}
          value={typeof answer === "string" ? answer : ""}
          onInput={({ currentTarget }) => onAnswer(currentTarget.value)}
        />
      </label>
    );
  }
  const chosen = Array.isArray(answer) ? answer : [];
  return (
    <fieldset class="question">
      <legend>{label}</legend>
      {option.option_type === "boolean"
        ? [true, false].map((value) => (
            <label class="check choice" key={String(value)}>
              <input type="radio" name={name} required={option.is_required} checked={answer === value} onChange={() => onAnswer(value)} />
              {value ? t.checkout.yes : t.checkout.no}
            </label>
          ))
        : (option.choices ?? []).map((choice, index) => (
            <label class="check choice" key={choice}>
              <input
                type="checkbox"
                name={name}
                checked={chosen.includes(choice)}
                // Browsers have no required group of checkboxes.
                ref={(input) => input?.setCustomValidity(index === 0 && option.is_required && chosen.length === 0 ? t.checkout.chooseOne : "")}
                onChange={({ currentTarget }) => onAnswer(currentTarget.checked ? [...chosen, choice] : chosen.filter((other) => other !== choice))}
              />
              {choice}
            </label>
          ))}
    </fieldset>
  );
}

/** The non-empty answers, in the form that the API expects. */
export function givenAnswers(options: CustomOption[], answers: Answers): Answers {
  const given = options.map((option) => [option.id, answers[option.id]] as const);
  return Object.fromEntries(given.filter((entry): entry is [string, Answer] => !isBlank(entry[1])));
}

function isBlank(answer: Answer | undefined): boolean {
  return answer === undefined || (typeof answer === "string" ? answer.trim() === "" : Array.isArray(answer) && answer.length === 0);
}
