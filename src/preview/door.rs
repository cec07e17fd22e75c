//! The preview's interface to the browser: bytes and JSON in, JSON out.

use wasm_bindgen::prelude::wasm_bindgen;

/// A downloaded snapshot. Errors are texts that describe the problem.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Preview(super::Preview);

#[wasm_bindgen]
impl Preview {
    /// Reads a board.
    ///
    /// # Errors
    /// A text that says how the bytes are damaged.
    #[wasm_bindgen(constructor)]
    pub fn open(board: Vec<u8>) -> Result<Self, String> {
        super::Preview::open(board).map(Self).map_err(|damage| damage.to_string())
    }

    /// Takes a viewer's taste pack, or `None`; returns whether it has tastes for this board.
    ///
    /// # Errors
    /// A text that says how the bytes are damaged.
    pub fn seat(&mut self, tastes: Option<Vec<u8>>) -> Result<bool, String> {
        self.0.seat(tastes).map_err(|damage| damage.to_string())
    }

    /// Takes the pulse to order by, or `None`.
    ///
    /// # Errors
    /// A text that says how the bytes are damaged.
    pub fn beat(&mut self, pulse: Option<Vec<u8>>) -> Result<(), String> {
        self.0.beat(pulse).map_err(|damage| damage.to_string())
    }

    /// Takes operators' overlay, or `None`.
    ///
    /// # Errors
    /// A text that says how the bytes are damaged.
    pub fn amend(&mut self, overlay: Option<Vec<u8>>) -> Result<(), String> {
        self.0.amend(overlay).map_err(|damage| damage.to_string())
    }

    /// The published weights as JSON.
    pub fn weights(&self) -> String {
        serde_json::to_string(&self.0.weights()).unwrap_or_default()
    }

    /// The tastes that order the surfaces of `question`. Both are JSON.
    ///
    /// # Errors
    /// A text that says what is wrong with the question.
    pub fn tastes(&self, question: &str) -> Result<String, String> {
        serde_json::from_str(question).map(|question| self.0.tastes(&question)).map_err(|error| error.to_string())
    }

    /// Whether province and device class make a difference to viewers without tastes.
    #[wasm_bindgen(js_name = tellsContextsApart)]
    pub fn tells_contexts_apart(&self) -> bool {
        self.0.tells_contexts_apart()
    }

    /// Every product of the board as a JSON array.
    pub fn products(&self) -> String {
        String::from_utf8(self.0.products()).unwrap_or_default()
    }

    /// The surfaces for `question`. Both are JSON.
    ///
    /// # Errors
    /// A text that says what is wrong with the question.
    pub fn arrange(&mut self, question: &str) -> Result<String, String> {
        let question = serde_json::from_str(question).map_err(|error| error.to_string())?;
        String::from_utf8(self.0.arrange(&question)).map_err(|error| error.to_string())
    }
}
