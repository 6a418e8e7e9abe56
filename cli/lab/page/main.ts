/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/** The page: its header, and the chapter that the address names, or the contents. */

import { html, nothing, render, type TemplateResult } from "lit-html";
import type { Entry } from "./chapter.ts";
import { chapters } from "./chapters.ts";
import { aboutDevice } from "./parts/device.ts";
import { showProblem } from "./parts/problem.ts";

const header = document.getElementById("header")!;
const content = document.getElementById("content")!;

/** The chapter that is open; the contents where there is none. */
let open: Entry | undefined;

/** `#convolution`, or `#convolution/faces`, a figure in it. */
async function follow(): Promise<void> {
  const [id, place] = location.hash.slice(1).split("/");
  if (id === "content") return;
  const entry = chapters.find((chapter) => chapter.id === id);
  const isOpen = entry === open && content.dataset.state === "ready";
  open = entry;
  if (!isOpen) await show(entry);
  if (open !== entry) return;
  if (place) document.getElementById(place)?.scrollIntoView();
  else scrollTo(0, 0);
}

async function show(entry: Entry | undefined): Promise<void> {
  content.dataset.state = "loading";
  document.title = entry ? `${entry.title} - the laboratory` : "The laboratory";
  render(navigation(entry), header);
  const body = entry ? await load(entry) : contents();
  if (open !== entry) return;
  // A chapter's figures are elements of their own: the next must not be drawn into the last one's.
  render(nothing, content);
  render(body, content);
  content.dataset.state = "ready";
  if (entry) content.focus({ preventScroll: true });
}

async function load(entry: Entry): Promise<TemplateResult> {
  try {
    const { chapter } = await entry.load();
    return html`<article>${chapter.body()}${following(entry)}</article>`;
  } catch (error) {
    return showProblem(error);
  }
}

const navigation = (current: Entry | undefined) =>
  html`
    <nav aria-label="Chapters">
      <a class="home" href="#" aria-current=${current ? nothing : "page"}>The laboratory</a>
      <ol>
        ${chapters.map((entry) =>
          html`
            <li>
              <a href="#${entry.id}" aria-current=${entry === current ? "page" : nothing}>${entry
                .title}</a>
            </li>
          `
        )}
      </ol>
    </nav>
  `;

function following(entry: Entry) {
  const next = chapters[chapters.indexOf(entry) + 1];
  return next && html`<p class="next">Next: <a href="#${next.id}">${next.title}</a></p>`;
}

const contents = () =>
  html`
    <h1>The laboratory</h1>
    <p class="lead">
      Gradients and kernels to take apart. Every number here is computed in this page by the engine
      that trains networks with the same code: its graphs, its plans, its kernels on your own GPU,
      with float64 beside them. Whoever knows calculus can follow; of GPUs nothing is presupposed.
    </p>
    ${aboutDevice()}
    <ol class="contents">
      ${chapters.map(({ id, title, summary }) =>
        html`
          <li>
            <h2><a href="#${id}">${title}</a></h2>
            <p>${summary}</p>
          </li>
        `
      )}
    </ol>
  `;

addEventListener("hashchange", follow);
await follow();
