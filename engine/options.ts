/**
 * Settings as the room that knows them declares them: what each is, its range and its default, in a
 * table. A command makes flags of them, with their help and their errors (cli/framework/flags.ts).
 */

/** The values of all options, by key, defaults included. */
export type AllValues = Readonly<Record<string, unknown>>;

/** What must hold for an option to have an effect. */
export interface Need {
  /** What follows "has no effect": "without --data composite". */
  readonly otherwise: string;
  readonly holds: (values: AllValues) => boolean;
}

/** Which of an option's needs these values don't meet, if any. */
export const unmet = (
  { need = [] }: { readonly need?: Need | readonly Need[] },
  values: AllValues,
): Need | undefined => [need].flat().find(({ holds }) => !holds(values));

export interface Common<Value> {
  /** What it is, in a line, with its unit. */
  readonly help: string;
  /** The value where it is not given; without one the result is undefined. */
  readonly default?: Value;
  /** The value where it is not given and others say what it is. */
  readonly follows?: (values: AllValues) => Value | undefined;
  /** It must be given. */
  readonly required?: boolean;
  /** A complaint such as "must be a multiple of 8", or undefined where the value is right. */
  readonly check?: (value: Value) => string | undefined;
  /** What must hold for it to have an effect; of several all. */
  readonly need?: Need | readonly Need[];
  /** A complaint about it together with others' values, or undefined where all is right. */
  readonly rule?: (values: AllValues) => string | undefined;
  /** With it something else is done, for which only the options of these keys count. */
  readonly mode?: readonly string[];
  /** It names a place that is written to, or where it is not given, `otherwise` is that place. */
  readonly writes?: { readonly what: "folder" | "file"; readonly otherwise?: string };
  /** The placeholder for the value in the help text, where its type says too little. */
  readonly value?: string;
  /**
   * It is given without a name, `eval FILE`; several are told apart by their order, and a list takes
   * all that are left, each of them an item.
   */
  readonly positional?: boolean;
}

/** The range of a number: `min` and `max` are allowed themselves, `above` and `below` are not. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
  readonly above?: number;
  readonly below?: number;
}

export interface NumberOption extends Common<number>, Range {
  readonly type: "number" | "integer";
}
export interface TextOption extends Common<string> {
  readonly type: "string";
}
export interface BooleanOption extends Common<boolean> {
  readonly type: "boolean";
}
export interface ChoiceOption extends Common<string> {
  readonly type: "choice";
  readonly choices: readonly string[];
  /** What is taken besides them, and what it is called. */
  readonly also?: { readonly is: (text: string) => boolean; readonly what: string };
}
/** Values with commas between them, none of them twice. */
export interface TextListOption extends Common<readonly string[]> {
  readonly type: "list";
  readonly of: "string";
  /** The values that there are, where not every text is one. */
  readonly choices?: readonly string[];
  /** What is taken besides them, and what it is called. */
  readonly also?: ChoiceOption["also"];
  /** What each of them is, for the message where a text is none: "model". */
  readonly what?: string;
  /** The one of them that stands alone, such as "none". */
  readonly alone?: string;
}
/** Numbers with commas between them; the range holds for each. */
export interface NumberListOption extends Common<readonly number[]>, Range {
  readonly type: "list";
  readonly of: "number" | "integer";
  /** One may stand there twice, as where each has its own place. */
  readonly repeats?: boolean;
}

export type Option =
  | NumberOption
  | TextOption
  | BooleanOption
  | ChoiceOption
  | TextListOption
  | NumberListOption;
export type OptionTable = Readonly<Record<string, Option>>;

type Parsed<F> = F extends { type: "number" | "integer" } ? number
  : F extends { type: "boolean" } ? boolean
  : F extends { type: "choice"; choices: readonly (infer Choice)[] } ? Choice
  : F extends { type: "list"; of: "string" } ? string[]
  : F extends { type: "list" } ? number[]
  : string;
type Always<F> = F extends { default: unknown } | { required: true } | { type: "boolean" } ? never
  : undefined;

/** The values of a table's options, by key. */
export type Values<T extends OptionTable> = {
  readonly [Key in keyof T]: Parsed<T[Key]> | Always<T[Key]>;
};

/** Keeps the literal types of a table that several commands share. */
export const optionTable = <const T extends OptionTable>(table: T): T => table;
