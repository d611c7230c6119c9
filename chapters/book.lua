-- Markdown to page: wide formulas and tables scroll in a box of their own, links lead to pages, the directives of the
-- weaver are gone.
function Math(m)
  if m.mathtype == "DisplayMath" then return pandoc.Span({ m }, { class = "formula" }) end
end

-- a caption is a paragraph in italics
function Para(p)
  if #p.content == 1 and p.content[1].t == "Emph" then return pandoc.Div({ p }, { class = "caption" }) end
end

function Table(t) return pandoc.Div({ t }, { class = "wide" }) end

function RawBlock(r) if r.text:match("^<!%-%-") then return {} end end

-- chapters/notation.md -> notation.html, ../02-NAME/chapter.md -> 02-NAME.html
function Link(l)
  if not l.target:match("^%a+:") then
    l.target = l.target:gsub("chapter%.md", ""):gsub("^%.%./", ""):gsub("([^/]+)/(#?)", "%1.html%2"):gsub("%.md", ".html")
  end
  return l
end

-- NAME.svg of chapters/02-X -> 02-X.NAME.svg
function Image(i)
  i.src = PANDOC_WRITER_OPTIONS.variables["page"] .. "." .. i.src
  return i
end
