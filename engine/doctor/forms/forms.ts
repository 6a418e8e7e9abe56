/** The forms of the constraint, in one table, and how they are asked for by name. */

import { ExitCode, UserError } from "../../errors.ts";
import { didYouMean } from "../../nearest.ts";
import type { TermName } from "../terms.ts";
import type { Form, FormTerm } from "./form.ts";
import { counterfactual } from "./counterfactual.ts";
import { lossGradient } from "./loss_gradient.ts";
import { paper } from "./paper.ts";
import { rrr } from "./rrr.ts";
import { share } from "./share.ts";

/** A new form is a file beside this and its name here. */
export const FORMS = [paper, share, rrr, counterfactual, lossGradient] as const;

export type FormName = typeof FORMS[number]["name"];

/** A form whose literal types are not asked for. */
type Named = Form & { readonly name: FormName };
const forms: readonly Named[] = FORMS;

/** The forms that a term can have. */
export const formsOf = (term: TermName): readonly Named[] => forms.filter((form) => form[term]);

/** A form as a term. @throws UserError (usage) where the term has no form of that name */
export function formOf(term: TermName, name: string): FormTerm {
  const names = formsOf(term).map(({ name }) => name);
  const form = formsOf(term).find((form) => form.name === name);
  if (form) return form[term]!;
  throw new UserError(
    `the ${term}-wise constraint has no form ${name}${didYouMean(name, names)}`,
    ExitCode.usage,
    `its forms are ${names.join(", ")}`,
  );
}

/** What a form is called in a sentence. */
export const formWords = (name: FormName): string =>
  forms.find((form) => form.name === name)!.words;
