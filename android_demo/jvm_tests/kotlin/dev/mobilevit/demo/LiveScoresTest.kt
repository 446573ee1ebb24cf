package dev.mobilevit.demo

import dev.mobilevit.demo.core.AnswerLimits
import dev.mobilevit.demo.core.LiveAnswer
import dev.mobilevit.demo.core.LiveScores
import dev.mobilevit.demo.core.Scores
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class LiveScoresTest {
    private val labels = listOf("cat", "dog", "fox")
    private var now = 0L

    @Test
    fun theFirstFrameIsShownAsItIsAndOneOddFrameChangesNothing() {
        val live = LiveScores(labels, AnswerLimits(2, 0.5))
        val first = live.add(0.9f)
        assertEquals(listOf("cat", "dog"), first.answer.guesses.map { it.label })
        assertEquals(0.9f, first.answer.guesses[0].score, 1e-6f)
        assertEquals("cat", live.add(0.1f).answer.guesses[0].label)
        repeat(5) { live.add(0.1f) }
        assertEquals("dog", live.add(0.1f).answer.guesses[0].label)
    }

    @Test
    fun aScoreAroundTheThresholdDoesNotFlicker() {
        val live = LiveScores(labels, AnswerLimits(1, 0.6))
        assertFalse(live.add(0.61f).answer.unsure)
        val changes = List(40) { live.add(if (it % 2 == 0) 0.57f else 0.63f).answer.unsure }
        assertTrue(changes.none { it })
        repeat(20) { live.add(0.53f) }
        assertTrue(live.add(0.53f).answer.unsure)
        assertTrue(List(40) { live.add(if (it % 2 == 0) 0.57f else 0.63f).answer.unsure }.all { it })
        repeat(20) { live.add(0.67f) }
        assertFalse(live.add(0.67f).answer.unsure)
    }

    @Test
    fun thresholdsAtTheEndsAreAlwaysAndNeverUnsure() {
        val (always, never) = listOf(1.01, 0.0).map { LiveScores(labels, AnswerLimits(1, it)) }
        val high = LiveScores(labels, AnswerLimits(1, 0.97))
        repeat(30) {
            assertTrue(always.add(1f).answer.unsure)
            assertFalse(never.add(0.4f).answer.unsure)
            high.add(if (it < 10) 0.5f else 1f)
        }
        assertFalse("a high threshold can be passed", high.add(1f).answer.unsure)
    }

    @Test
    fun timesAreMediansAndFramesPerSecondThoseOfTheLastSeconds() {
        val live = LiveScores(labels, AnswerLimits(1, 0.5))
        assertEquals(0.0, live.add(0.9f).framesPerSecond, 0.0)
        repeat(100) { live.add(0.9f, milliseconds = if (it % 10 == 0) 500.0 else 7.0) }
        val last = live.add(0.9f)
        assertEquals(7.0, last.answer.inferenceMs, 0.0)
        assertEquals(2.0, last.answer.preprocessMs, 0.0)
        assertEquals(20.0, last.framesPerSecond, 0.01)
    }

    /** "cat" has the score [cat], "dog" most of the rest; frames are 50 ms apart. */
    private fun LiveScores.add(cat: Float, milliseconds: Double = 7.0): LiveAnswer {
        now += 50_000_000
        return add(Scores(floatArrayOf(cat, (1 - cat) * 0.9f, (1 - cat) * 0.1f), milliseconds), 2.0, now)
    }
}
