//! The lexer on what only looks like code.

use super::lex;

#[test]
fn literals_and_comments_are_no_code() {
    let source = r##"
        let a = "crate::hidden // \" no"; // crate::comment
        let b = r#"crate::raw " "#; /* crate::block /* nested */ */
        let c: &'a str = '"'; let d = '\''; let e = b'x';
        #[serde(with = "crate::shown::Path")]
        // A line of its own.
    "##;
    let lexed = lex(source);
    let text: Vec<_> = lexed.tokens.iter().map(|t| t.text.as_str()).collect();
    let text = text.join(" ");
    for hidden in ["hidden", "comment", "raw", "block", "no", "x"] {
        let found = text.split(' ').any(|word| word == hidden);
        assert!(!found, "{hidden} is read as code: {text}");
    }
    assert!(
        text.contains("with = crate :: shown :: Path"),
        "an attribute's path is lost: {text}"
    );
    assert_eq!(lexed.comments, [6]);
}
