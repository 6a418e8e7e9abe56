/** A part of an examination: what `certify` does, one after the other, and keeps as it ends. */

import type { Certificate, Finding } from "../../engine/certify/certificate.ts";
import { partsOf } from "../../engine/certify/certificate.ts";
import type { Machine } from "../../engine/certify/prediction.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Gpu } from "../../engine/gpu/adapter.ts";
import { type Target, targetFor } from "../../engine/gpu/kernels/target.ts";
import type { Roofline } from "../../engine/gpu/roofline.ts";

/** What a part is given. */
export interface Session {
  readonly gpu: Gpu;
  readonly batch: number;
  readonly width: number;
  readonly signal: AbortSignal;
  /** What was found so far. */
  readonly certificate: Pick<Certificate, "parts">;
  /** Tells how far the part is; throws where it shall stop. */
  progress(done: number, all: number): void;
}

export interface Part {
  readonly name: string;
  /** Seconds that it takes on a GPU, at a guess; with less left it is not begun. */
  readonly needs: number;
  /** @throws UserError where it comes to no result; NotHere where there is nothing to do it with */
  run(session: Session): Promise<Finding>;
}

/** This machine lacks what a part examines: it is left out, and that is no fault. */
export class NotHere extends Error {}

/** The kernels that are chosen by rule, whatever a tuner found on this machine. */
export const untuned = (gpu: Gpu): Target => ({ ...targetFor(gpu), tuning: new Map() });

/** @throws UserError (failure) where it was not measured */
export function rooflineOf({ certificate }: Pick<Session, "certificate">): Roofline {
  const [roofline] = partsOf(certificate, "roofline");
  if (roofline) return roofline;
  throw new UserError(
    "what the adapter can do could not be measured, which this is set against",
    ExitCode.failure,
  );
}

/** @throws UserError (failure) where it was not measured */
export function machineOf(session: Pick<Session, "certificate">): Machine {
  const [dispatch] = partsOf(session.certificate, "dispatch");
  return { ...rooflineOf(session), dispatchUs: dispatch?.deviceUs ?? 0 };
}
