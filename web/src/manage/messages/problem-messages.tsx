/** Emails that did not arrive or were not wanted, for all events; for admins. */

import { useState } from "preact/hooks";
import { usePages } from "../parts/use-pages";
import { useRoomTexts } from "../texts";
import { MessageList } from "./message-list";
import { listProblemMessages, PROBLEMS, type Problem } from "./messages";
import { ReleaseForm } from "./release-form";

export function ProblemMessages() {
  const own = useRoomTexts("messages");
  const [problem, setProblem] = useState<Problem>("failed");
  const found = usePages((cursor) => listProblemMessages(problem, cursor), problem);
  return (
    <div class="page page-narrow">
      <h1>{own.problems}</h1>
      <p class="lead">{own.problemsLead}</p>
      <div class="control-fields">
        <label class="field">
          {own.show}
          <select value={problem} onChange={({ currentTarget }) => setProblem(currentTarget.value as Problem)}>
            {PROBLEMS.map((each) => (
              <option key={each} value={each}>
                {own.states[each]}
              </option>
            ))}
          </select>
        </label>
      </div>
      <MessageList key={problem} found={found} noneText={own.noProblems} />
      <ReleaseForm />
    </div>
  );
}
