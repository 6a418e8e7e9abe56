/** A certificate in its folder, written anew with each part: certificate.json and certificate.html. */

import { join } from "node:path";
import {
  CERTIFICATE,
  type Certificate,
  CERTIFICATE_VERSION,
  type Part,
  readCertificate,
} from "../../engine/certify/certificate.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { fileExists, makeFolder, removePartials, writeFileAtomic } from "../../engine/io/files.ts";
import { certificatePage } from "../../engine/report/certificate.ts";
import { lockFolder } from "../../engine/run/lock.ts";

const PAGE = "certificate.html";

export class Record {
  private constructor(private readonly folder: string, public certificate: Certificate) {}

  /**
   * The certificate in a folder, or a new one. What came to no result, or was left out, is open again.
   * @throws UserError (usage) where the folder has that of another machine, driver or program
   */
  static async open(
    folder: string,
    subject: Certificate["subject"],
    machine: Certificate["machine"],
  ): Promise<Record> {
    await makeFolder(folder);
    await lockFolder(folder);
    await removePartials(folder, { deep: false });
    const file = join(folder, CERTIFICATE);
    const earlier = await fileExists(file) ? await readCertificate(file) : undefined;
    if (earlier) requireSame(earlier.subject, subject, folder);
    const parts = earlier?.parts.filter(({ kind }) => kind !== "failed") ?? [];
    return new Record(folder, {
      version: CERTIFICATE_VERSION,
      ...{ subject, machine, parts, skipped: [] },
    });
  }

  get page(): string {
    return join(this.folder, PAGE);
  }

  has(name: string): boolean {
    return this.certificate.parts.some((part) => part.name === name);
  }

  async add(part: Part): Promise<void> {
    await this.write({ ...this.certificate, parts: [...this.certificate.parts, part] });
  }

  async skip(name: string, why: string): Promise<void> {
    const { skipped } = this.certificate;
    await this.write({ ...this.certificate, skipped: [...skipped, { name, why }] });
  }

  private async write(certificate: Certificate): Promise<void> {
    this.certificate = certificate;
    const text = JSON.stringify(certificate, null, 2) + "\n";
    await writeFileAtomic(this.page, certificatePage(certificate));
    await writeFileAtomic(join(this.folder, CERTIFICATE), text);
  }
}

function requireSame(
  earlier: Certificate["subject"],
  now: Certificate["subject"],
  folder: string,
): void {
  const keys = Object.keys(now) as (keyof Certificate["subject"])[];
  const other = keys.find((key) => earlier[key] !== now[key]);
  if (other === undefined) return;
  throw new UserError(
    `${folder} holds a certificate with another ${other}: ${earlier[other]}, and now it is ` +
      `${now[other]}`,
    ExitCode.usage,
    "name another folder with --out",
  );
}
