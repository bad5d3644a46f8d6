// Elements. Whatever comes from a run becomes text, never markup.

/** An element with attributes, listeners (`onclick`) and children; strings become text. */
function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  append(node, children);
  return node;
}

function append(node, children) {
  for (const child of children.flat(3)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

/** A section of a run, or nothing where it has nothing to show. */
function section(id, title, lead, ...children) {
  const content = children.flat(3).filter(Boolean);
  if (content.length === 0) return null;
  return el("section", { id, "aria-labelledby": `${id}-title` },
    el("h2", { id: `${id}-title` }, title), lead ? el("p", { class: "lead" }, lead) : null, content);
}

/** Terms and what they are. */
function facts(pairs) {
  const rows = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "facts" }, rows.map(([term, value]) => [el("dt", {}, term), el("dd", {}, value)]));
}

/** Hands a text over as a file. */
function download(name, type, text) {
  const url = URL.createObjectURL(new Blob([text], { type }));
  const link = el("a", { href: url, download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Names as a part of a file's name. */
const fileName = (...parts) => parts.map((part) => String(part).replace(/[^\w.-]+/g, "-")).join("-");

/** The name of a file with figures, without its ending. That of an unfinished run says so. */
const figureFile = (id, draft) => fileName("kennard", id, ...(draft ? ["unfinished"] : []));
