/** The forms of the constraint, in one table, and how they are asked for by name. */

import { ExitCode, UserError } from "../../errors.ts";
import { didYouMean } from "../../nearest.ts";
import type { TermName } from "../terms.ts";
import type { Form, FormOption, FormTerm } from "./form.ts";
import { backgroundKernels } from "./background_kernels.ts";
import { cam } from "./cam.ts";
import { counterfactual } from "./counterfactual.ts";
import { hinged } from "./hinged.ts";
import { lossGradient } from "./loss_gradient.ts";
import { paper } from "./paper.ts";
import { perturbed } from "./perturbed.ts";
import { rrr } from "./rrr.ts";
import { share } from "./share.ts";

/** A new form is a file beside this and its name here. */
export const FORMS = [
  paper,
  share,
  rrr,
  perturbed,
  hinged,
  cam,
  counterfactual,
  backgroundKernels,
  lossGradient,
] as const;

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

/** The options of all forms of a term, by key, each with the form that takes it. */
export const formOptions = (term: TermName): (readonly [string, FormOption, FormName])[] =>
  formsOf(term).flatMap((form) =>
    Object.entries(form[term]!.options ?? {}).map(([key, of]) => [key, of, form.name] as const)
  );
