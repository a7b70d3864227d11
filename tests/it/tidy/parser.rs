//! Reads a file's modules from its tokens.

use super::{
    blocks::Blocks,
    modules::{Import, Mention, Module, Segments, Sources, TypeName, module_of},
    tokens::{Token, lex},
    use_line::{Binding, use_line},
};

/// The keywords before the name of an item.
const ITEMS: [&str; 7] = ["struct", "enum", "trait", "type", "fn", "const", "static"];

/// The keywords before the name of a type.
const TYPES: [&str; 4] = ["struct", "enum", "trait", "type"];

/// Reads all modules of a tree.
pub(super) fn read_modules(sources: &Sources) -> Vec<Module> {
    let read = |(file, text): (&String, &String)| Parser::new(file, text).modules();
    sources.iter().flat_map(read).collect()
}

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    modules: Vec<Module>,
    blocks: Blocks,
}

impl Parser {
    fn new(file: &str, text: &str) -> Self {
        Self {
            tokens: lex(text).tokens,
            at: 0,
            modules: vec![Module::new(module_of(file), file)],
            blocks: Blocks::default(),
        }
    }

    fn modules(mut self) -> Vec<Module> {
        while self.at < self.tokens.len() {
            self.step();
        }
        self.modules
    }

    /// The token some places after the present one, or before it.
    fn text(&self, offset: isize) -> &str {
        let at = self.at.checked_add_signed(offset);
        at.and_then(|at| self.tokens.get(at))
            .map_or("", |token| &token.text)
    }

    fn module(&mut self) -> &mut Module {
        let module = self.blocks.current().module;
        &mut self.modules[module]
    }

    fn step(&mut self) {
        let text = self.text(0).to_owned();
        match text.as_str() {
            "{" | "(" | "[" => self.blocks.open(&text),
            "}" | ")" | "]" => self.blocks.close(&text),
            ";" | "," => self.blocks.end_item(),
            "#" => self.attribute(),
            "::" => self.skip_path(),
            "use" if self.text(1) != "<" => return self.import(),
            "mod" if self.text(2) == "{" => self.inline_module(),
            "impl" if ["", "}", "{", ";", "]", "unsafe"].contains(&self.text(-1)) => {
                self.blocks.next_members = true;
            }
            _ if is_identifier(&text) => return self.word(),
            _ => {}
        }
        self.at += 1;
    }

    fn attribute(&mut self) {
        let rest = self.tokens[self.at..].iter().map(|t| t.text.as_str());
        if rest.take(7).eq(["#", "[", "cfg", "(", "test", ")", "]"]) {
            self.blocks.start_test();
        }
    }

    /// Passes over the rest of a path that starts elsewhere, as `::url::Url` or `<T>::new` does.
    fn skip_path(&mut self) {
        while self.text(2) == "::" {
            self.at += 2;
        }
        if is_identifier(self.text(1)) {
            self.at += 1;
        }
    }

    fn inline_module(&mut self) {
        let name = self.text(1).to_owned();
        let parent = self.module();
        let mut path = parent.path.clone();
        path.push(name);
        let file = parent.file.clone();
        self.modules.push(Module::new(path, &file));
        self.blocks.next_module = Some(self.modules.len() - 1);
    }

    /// Reads a keyword with the item that it names, or a path.
    fn word(&mut self) {
        let line = self.tokens[self.at].line;
        let previous = self.text(-1).to_owned();
        let is_visibility = previous == "in" && self.text(-2) == "(";
        self.item(line);
        let path = self.path();
        let is_test = self.blocks.is_test();
        let module = self.module();
        if previous != "." && previous != "mod" {
            module.words.insert(path[0].clone());
        }
        if path.len() > 1 && !is_visibility {
            module.mentions.push(Mention {
                path,
                is_test,
                line,
            });
        }
    }

    /// Notes the name of an item, where the present token is the keyword before it.
    fn item(&mut self, line: usize) {
        let keyword = self.text(0).to_owned();
        let is_macro = keyword == "macro_rules";
        let name = self.text(if is_macro { 2 } else { 1 }).to_owned();
        let is_item = is_macro || ITEMS.contains(&keyword.as_str());
        if !is_item || !is_identifier(&name) || self.blocks.current().is_members {
            return;
        }
        self.blocks.next_members |= keyword == "trait";
        let is_test = self.blocks.is_test();
        let module = self.module();
        module.items.insert(name.clone());
        if TYPES.contains(&keyword.as_str()) {
            module.types.push(TypeName {
                name,
                is_test,
                line,
            });
        }
    }

    /// Reads the segments of a path, as far as `::` joins identifiers.
    fn path(&mut self) -> Segments {
        let mut path = vec![self.text(0).to_owned()];
        self.at += 1;
        while self.text(0) == "::" && is_identifier(self.text(1)) {
            path.push(self.text(1).to_owned());
            self.at += 2;
        }
        path
    }

    fn import(&mut self) {
        let is_public = ["pub", ")"].contains(&self.text(-1));
        let is_test = self.blocks.is_test();
        let (bindings, end) = use_line(&self.tokens, self.at + 1);
        self.at = end;
        for Binding { path, name, line } in bindings {
            self.module().imports.push(Import {
                path,
                name,
                is_public,
                is_test,
                line,
            });
        }
    }
}

fn is_identifier(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
