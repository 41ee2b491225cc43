// The known writers of toy-subject.mjs, by name: `toy:naive`, `toy:careful`, ...
import { toySteps, toySubject } from "../toy-subject.mjs";

export const subject = toySubject;
export const scenario = (writer) => ({ writer, steps: toySteps() });
