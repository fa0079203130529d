/** The controls of a running sale. Each button explains its effect on the people in line, asks for confirmation, and offers to undo it. */

import { useState, type Dispatch, type StateUpdater } from "preact/hooks";
import { useRoomTexts, type RoomTexts } from "../texts";
import { Confirm } from "../parts/confirm";
import { useManagedEvent } from "../who";
import { letIn, pauseSale, resumeSale, setRate, type LiveSale } from "./sale";

interface Rate {
  size: number;
  seconds: number;
}

/** An action that waits for confirmation. */
type Question = { kind: "pause" } | { kind: "resume" } | { kind: "rate"; rate: Rate } | { kind: "letIn"; count: number };

/** A finished action and the action that undoes it; null if it cannot be undone. */
interface Done {
  action: Question;
  undo: Question | null;
}

interface Props {
  eventId: string;
  sale: LiveSale["sale"];
  /** Polls the sale at once. */
  poll: () => void;
}

export function Controls({ eventId, sale, poll }: Props) {
  const texts = useRoomTexts("live");
  const { event, reload } = useManagedEvent();
  const own = event.has_ballot ? { ...texts, ...texts.ballot } : texts;
  const [question, setQuestion] = useState<Question | null>(null);
  const [done, setDone] = useState<Done | null>(null);
  const room = sale.waiting_room;
  const rate = room && { size: room.wave_size, seconds: room.wave_seconds };

  const act = async (action: Question) => {
    await perform(eventId, action);
    setDone({ action, undo: inverse(action, rate) });
    poll();
    void reload(); // the navigation shows whether the sale is paused
  };
  return (
    <section class="panel controls" aria-labelledby="controls-title">
      <h2 id="controls-title">{own.controls}</h2>
      <p class="controls-done" role="status">
        {done && report(done.action, own)}{" "}
        {done?.undo && (
          <button type="button" class="link" onClick={() => setQuestion(done.undo)}>
            {own.undo}
          </button>
        )}
      </p>
      <div class="control">
        {sale.paused ? (
          <button type="button" class="button" onClick={() => setQuestion({ kind: "resume" })}>
            {own.resume}
          </button>
        ) : (
          <button type="button" class="button" onClick={() => setQuestion({ kind: "pause" })}>
            {own.pause}
          </button>
        )}
        <p class="small">{sale.paused ? own.resumeEffect : own.pauseEffect}</p>
      </div>
      {room && rate && !event.has_ballot && (
        <>
          <RateForm key={`${rate.size}/${rate.seconds}`} rate={rate} ask={setQuestion} />
          <LetInForm waiting={room.queue_length} ask={setQuestion} />
        </>
      )}
      <Confirm
        title={question ? own.questions[question.kind] : ""}
        action={question ? own.actions[question.kind] : ""}
        back={own.back}
        isOpen={question !== null}
        close={() => setQuestion(null)}
        onConfirm={() => act(question!)}
      >
        {question && <p>{explain(question, own)}</p>}
      </Confirm>
    </section>
  );
}

type Ask = Dispatch<StateUpdater<Question | null>>;
type OwnTexts = RoomTexts["live"];

function explain(question: Question, own: OwnTexts): string {
  switch (question.kind) {
    case "pause":
      return own.pauseEffect;
    case "resume":
      return own.resumeEffect;
    case "rate":
      return own.rateQuestion(question.rate.size, question.rate.seconds);
    case "letIn":
      return own.letInQuestion(question.count);
  }
}

function perform(eventId: string, question: Question): Promise<unknown> {
  switch (question.kind) {
    case "pause":
      return pauseSale(eventId);
    case "resume":
      return resumeSale(eventId);
    case "rate":
      return setRate(eventId, question.rate.size, question.rate.seconds);
    case "letIn":
      return letIn(eventId, question.count);
  }
}

/** The action that undoes another. `before`: the rate before the change. */
function inverse(done: Question, before: Rate | null): Question | null {
  switch (done.kind) {
    case "pause":
      return { kind: "resume" };
    case "resume":
      return { kind: "pause" };
    case "rate":
      return before && { kind: "rate", rate: before };
    case "letIn":
      return null;
  }
}

/** The message after an action. */
function report(done: Question, own: OwnTexts): string {
  switch (done.kind) {
    case "pause":
      return own.paused;
    case "resume":
      return own.resumed;
    case "rate":
      return own.rateSet(done.rate.size, done.rate.seconds);
    case "letIn":
      return own.letInDone(done.count);
  }
}

function RateForm({ rate, ask }: { rate: Rate; ask: Ask }) {
  const own = useRoomTexts("live");
  const [size, setSize] = useState(String(rate.size));
  const [seconds, setSeconds] = useState(String(rate.seconds));
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    ask({ kind: "rate", rate: { size: Number(size), seconds: Number(seconds) } });
  };
  return (
    <form class="control" onSubmit={submit}>
      <div class="control-fields">
        <label class="field">
          {own.waveSize}
          <input type="number" inputMode="numeric" min="1" max="1000000" required value={size} onInput={({ currentTarget }) => setSize(currentTarget.value)} />
        </label>
        <label class="field">
          {own.waveSeconds}
          <input type="number" inputMode="numeric" min="1" max="86400" required value={seconds} onInput={({ currentTarget }) => setSeconds(currentTarget.value)} />
        </label>
        <button type="submit" class="button button-quiet" disabled={Number(size) === rate.size && Number(seconds) === rate.seconds}>
          {own.changeRate}
        </button>
      </div>
      <p class="small">{own.rateEffect}</p>
    </form>
  );
}

function LetInForm({ waiting, ask }: { waiting: number; ask: Ask }) {
  const own = useRoomTexts("live");
  const [count, setCount] = useState("");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    ask({ kind: "letIn", count: Number(count) });
  };
  return (
    <form class="control" onSubmit={submit}>
      <div class="control-fields">
        <label class="field">
          {own.letInCount}
          <input type="number" inputMode="numeric" min="1" max="1000000" required value={count} onInput={({ currentTarget }) => setCount(currentTarget.value)} />
        </label>
        <button type="submit" class="button button-quiet">
          {own.letIn}
        </button>
      </div>
      <p class="small">{own.letInEffect(waiting)}</p>
    </form>
  );
}
