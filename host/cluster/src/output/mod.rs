//! What of a program's output is shown, and when. Pure: bytes and times in, decisions out.

mod align;
mod following;
mod joining;
mod marks;
mod screen;
mod settled;
mod text;
mod transcript;

pub use screen::Screen;
pub use transcript::Stream;
pub(super) use transcript::{LogWish, Show, Transcript, Wholeness};
